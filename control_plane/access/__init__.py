"""Who may call the API: operator keys, the route class that authenticates, and the platform's signing key for its runtimes."""
