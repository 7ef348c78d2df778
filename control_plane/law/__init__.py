"""The law as it is applied: what each legal entity stated and when, editions of the packs, and the days on which either changes."""
