"""Benchmarks: measured figures as ratios and shares, printed, never asserted; `./dev bench [NAME] [--json]`."""
