"""Demonstrations: tenants with invented records that are shown to somebody, cost nobody anything, and end on a day."""
