"""Telling other systems what happened, by the Standard Webhooks specification (standardwebhooks.com).

A deed's event is written with it (events), given to the endpoints that asked for it (fanning), and sent in order (delivery) by a sender
that reaches nothing inside (sending).
"""
