"""Alembic's migrations; each says whether it goes before or after the deploy."""
