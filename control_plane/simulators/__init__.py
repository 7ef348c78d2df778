"""Stand-ins for what only exists outside: for tests and for demonstrations, never for production."""
