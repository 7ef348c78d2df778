"""Revisions: the pure planner, the document it ends in, and its immutable rows. Between `compliance`/`releases` and the worker."""
