"""From a revision to a serving process: adopt, hold locks, serve, attest, drain, leave. Started by `app.boot` and `app.serve`.

Nothing is imported here: a waking process pays only for the part it uses.
"""
