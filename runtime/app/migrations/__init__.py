"""The Alembic environment of the core and of every module (`script_location = app.migrations:.`).

Importing it teaches Alembic where the modules' revisions lie: Alembic resolves `script_location` first and asks for the version locations
next, and offers no other hook before env.py, which `history` and `heads` never run.
"""

from app.migrations.locations import teach_alembic

teach_alembic()
