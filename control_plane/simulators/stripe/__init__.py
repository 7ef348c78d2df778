"""A stateful double of the payment provider, spoken to over HTTP by the official SDK: prices, checkout, subscriptions, invoices, webhooks.

It keeps to the documented behaviour of API version 2026-10-28 as far as this platform uses it, and answers 404 or 400, never a made-up
success, to what it does not know. `./dev up` runs it as demo billing: no money moves, and its pages say so.

    book       what exists: objects by id, per account, with a clock
    billing    what happens to subscriptions and invoices, now and when their time comes
    payments   cards and what they answer
    delivery   signed webhooks, also duplicated, reordered, late
    api        the HTTP interface; pages: checkout, portal and invoice as a person sees them
"""
