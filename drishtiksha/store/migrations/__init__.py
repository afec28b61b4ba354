"""Alembic migrations; `open_store` runs them."""
