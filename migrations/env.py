"""Alembic's environment: revisions run in the transaction that `memsnap.storage.migrate` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
