"""Who did what to which tenant, written in the transaction of the deed. Append-only: a trigger refuses changes."""
