"""Between money and desired state: what a tenant pays for, what it owes, and what follows from that."""
