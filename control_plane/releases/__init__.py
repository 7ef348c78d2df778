"""Releases: what the runtime's environment holds, read from the runtime itself. Planning takes its catalogue from here."""
