"""What a country's law asks of a clinic: packs (dated data) → resolve(facts, packs, date) → requirements → match with the catalogue.

Everything here is pure and reads no database; tenants call it when they plan a revision, sign-up while a person types.
"""
