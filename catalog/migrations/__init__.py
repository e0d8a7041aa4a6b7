"""Versioned SQL files of the control database, and the runner that applies them."""

from catalog.migrations.runner import Migration, migrate, read_migrations

__all__ = ["Migration", "migrate", "read_migrations"]
