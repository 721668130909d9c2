"""Alembic's migrations of `service.tables`; `service.database` runs them at start."""
