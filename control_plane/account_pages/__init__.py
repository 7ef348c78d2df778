"""The pages of a clinic's owner on the platform: sign in by a mailed link or a password, see and change what is paid, data and people.

Server-rendered; everything works without JavaScript. Pages call the services the API calls, and declare the same scopes.
"""
