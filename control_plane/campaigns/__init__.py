"""Moving many tenants, in waves: a plan that is frozen once, members that count only by what their own runtimes prove."""
