"""Host names of clinics' own: asked for, proved by a text record in the domain, and then part of how a clinic is carried out.

states     the life of a name
resolving  what the domain name system says
proving    the pass that looks for proofs
"""
