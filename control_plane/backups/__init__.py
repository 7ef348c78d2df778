"""Backups of tenants: made on a schedule and before what may go wrong, kept as long as they are of use, and proven by restoring them."""
