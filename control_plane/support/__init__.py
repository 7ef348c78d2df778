"""Support access: an operator asks to look into a clinic's runtime, the clinic answers there, and either side ends it."""
