"""Companies that bring clinics: what they may do and sell, whose tenants are theirs, and what they are owed for it."""
