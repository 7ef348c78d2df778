"""The pages of resellers' own people: clinics and where they stand, opening them, demonstrations, prices, looks, people, commission.

Server-rendered; everything works without JavaScript. Pages call the services the API calls, and declare the same scopes.
"""
