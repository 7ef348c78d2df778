"""The public sign-up pages: a clinic's own words → the tenant service the API uses → progress of its first operation.

Server-rendered, with htmx for what changes while a person types or waits; everything also works without JavaScript.
"""
