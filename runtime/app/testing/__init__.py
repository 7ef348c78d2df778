"""What a module's tests run on: a pytest plugin with a PostgreSQL, two clinics and the whole application (guide §9).

`pip install dentalpin-core[tests]` is all an author's repository needs; this repository's own tests stand on the same fixtures.
"""
