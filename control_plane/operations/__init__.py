"""Tracked work on tenants: kinds and steps as data, rows, and the worker that carries them out."""
