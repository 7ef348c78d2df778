"""The embedded default: everything the platform needs on one machine, started by one command."""
