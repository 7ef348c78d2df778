"""Drift: clinics whose runtime last proved something else than they are to run, and what is done about it."""
