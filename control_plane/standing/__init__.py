"""Where a tenant stands on the ladder of non-payment, and what follows from it: mails, its mode, its archive. Limits of plans as well."""
