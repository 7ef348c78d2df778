"""A runtime that is a copy of a clinic, made from a backup: it serves whoever comes to it, and sends nothing to anybody."""
