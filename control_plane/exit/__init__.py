"""Leaving: exports for the owner, deletions that can be undone, and erasure with a receipt per system."""
