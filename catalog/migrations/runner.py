"""Applies numbered SQL files to the control database: in order, each once, each in a transaction of its own.

What was applied is remembered with a checksum, so that a file edited afterwards is noticed instead of silently
differing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from catalog.connection import Connection
from catalog.errors import MigrationFailed

FILE_NAME = re.compile(r"(?P<version>[0-9]{4})_[a-z0-9_]+\.sql")

# Any fixed number serves, as long as no other program takes the same lock in the control database.
LOCK_KEY = 0x6F6D6E69_6D696772

PREPARE_SQL = """
CREATE SCHEMA IF NOT EXISTS control;
CREATE TABLE IF NOT EXISTS control.schema_version (
    version pg_catalog.int4 PRIMARY KEY,
    name pg_catalog.text NOT NULL,
    checksum pg_catalog.text NOT NULL,
    applied_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
)
"""
LOCK_SQL = "SELECT pg_catalog.pg_advisory_lock($1)"
UNLOCK_SQL = "SELECT pg_catalog.pg_advisory_unlock($1)"
APPLIED_SQL = "SELECT version, name, checksum FROM control.schema_version ORDER BY version"
RECORD_SQL = "INSERT INTO control.schema_version (version, name, checksum) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One SQL file."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Digest the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """Read the migrations of a folder, this package's own by default, in order of version.

    Raises: MigrationFailed (55000) when the versions are not 1, 2, 3 ..
    """
    migrations = []
    for path in sorted((folder or Path(__file__).parent).glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationFailed("a migration has a name of another form", detail=path.name)
        migrations.append(Migration(version=int(match["version"]), name=path.name, text=path.read_text("utf-8")))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MigrationFailed("the migrations are not numbered without gaps", detail=str([m.name for m in migrations]))
    return tuple(migrations)


async def migrate(connection: Connection, migrations: Sequence[Migration]) -> tuple[int, ...]:
    """Apply what is missing and return the versions applied now; several processes may call this at once.

    Raises: MigrationFailed (55000) when an applied file has changed, is unknown, or a new one fails; nothing of that
    one remains.
    """
    await connection.execute(LOCK_SQL, LOCK_KEY)
    try:
        await connection.execute(PREPARE_SQL)
        applied = await connection.fetch(APPLIED_SQL)
        _verify(applied, migrations)
        missing = migrations[len(applied) :]
        for migration in missing:
            await _apply(connection, migration)
        return tuple(migration.version for migration in missing)
    finally:
        await connection.execute(UNLOCK_SQL, LOCK_KEY)


def _verify(applied: Sequence[asyncpg.Record], migrations: Sequence[Migration]) -> None:
    if len(applied) > len(migrations):
        raise MigrationFailed(
            "the control database is newer than this program",
            detail=f"It is at version {len(applied)}; this program knows {len(migrations)}.",
            hint="Upgrade OmniSQL.",
        )
    for row, migration in zip(applied, migrations, strict=False):
        if (row["version"], row["checksum"]) != (migration.version, migration.checksum):
            raise MigrationFailed(
                "an applied migration has changed",
                detail=f"{migration.name} differs from {row['name']} as applied.",
                hint="Undo the edit and write a new migration.",
            )


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.text)
            await connection.execute(RECORD_SQL, migration.version, migration.name, migration.checksum)
    except asyncpg.PostgresError as error:
        raise MigrationFailed("a migration failed", detail=f"{migration.name}: {error}") from error
