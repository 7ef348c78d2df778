"""What can be seen of a runtime from outside: metrics, traces, and which request, clinic and module a line of the log is about."""
