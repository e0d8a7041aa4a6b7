"""A statement as PostgreSQL's grammar sees it: its kind, and the relations its text names. Pure values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from omnisql_server.model.definition import Definition


class StatementKind(StrEnum):
    """What a statement asks for, as far as running it over API tables is concerned."""

    SELECT = "SELECT"
    EXPLAIN = "EXPLAIN"
    COPY_TO = "COPY TO"
    COPY_FROM = "COPY FROM"
    COPY_TABLE = "COPY of a table"
    WRITE = "write"
    VIEW_EXPLAINED = "EXPLAIN ANALYZE of CREATE MATERIALIZED VIEW"
    MATERIALIZED_VIEW = "CREATE MATERIALIZED VIEW"
    REFRESH = "REFRESH MATERIALIZED VIEW"
    CURSOR = "DECLARE CURSOR"
    PREPARE = "PREPARE"
    EXECUTE = "EXECUTE"
    MOVEMENT = "FETCH or MOVE"
    SETTING = "SET of a custom setting"
    LOCK = "LOCK TABLE"
    TRUNCATE = "TRUNCATE"
    DEFINITION = "definition"
    CREDENTIAL = "user mapping"
    IMPORT = "IMPORT FOREIGN SCHEMA"
    SERVER = "server"
    FOREIGN_TABLE = "foreign table"
    CREDENTIAL_DROP = "DROP USER MAPPING or SERVER"
    NOT_GRAMMATICAL = "not grammatical, perhaps with a secret"
    CALL = "CALL"
    BLOCK = "DO"
    RIGHTS = "rights and roles"
    ANALYZE = "ANALYZE or VACUUM ANALYZE"
    OTHER = "other"


MANAGED_KINDS = frozenset(
    {
        StatementKind.CREDENTIAL,
        StatementKind.IMPORT,
        StatementKind.SERVER,
        StatementKind.FOREIGN_TABLE,
        StatementKind.CREDENTIAL_DROP,
        StatementKind.NOT_GRAMMATICAL,
        StatementKind.CALL,
        StatementKind.ANALYZE,
    }
)
"""Kinds that OmniSQL may carry out itself; `manage` decides about each statement."""

NAMING_KINDS = frozenset({StatementKind.ANALYZE})
"""Managed kinds that are relayed unless they name something that may reach an API table."""

EXPLAINING_KINDS = frozenset({StatementKind.EXPLAIN, StatementKind.VIEW_EXPLAINED})
"""Kinds that are answered by a plan."""

VIEW_KINDS = frozenset({StatementKind.MATERIALIZED_VIEW, StatementKind.VIEW_EXPLAINED})
"""Kinds that make a materialized view."""

CHANGING_KINDS = MANAGED_KINDS | VIEW_KINDS | {StatementKind.REFRESH}
"""Kinds of which PostgreSQL may have done a part when they fail, which must then be undone."""

READING_KINDS = frozenset(
    {
        StatementKind.SELECT,
        StatementKind.EXPLAIN,
        StatementKind.COPY_TO,
        StatementKind.COPY_TABLE,
        StatementKind.WRITE,
        StatementKind.VIEW_EXPLAINED,
        StatementKind.MATERIALIZED_VIEW,
        StatementKind.CURSOR,
        StatementKind.EXECUTE,
        StatementKind.BLOCK,
        StatementKind.CALL,
    }
)
"""Kinds whose reads of what was derived from API tables are put on record."""

DERIVED_KINDS = READING_KINDS | {StatementKind.PREPARE, StatementKind.DEFINITION}
"""The same, and kinds that give such reads another name."""

FILLING_KINDS = frozenset({StatementKind.COPY_FROM, StatementKind.TRUNCATE})
"""Kinds that change all of a relation that they name, whatever `Statement.writes` says."""

NEVER_RUN_KINDS = frozenset(
    {
        StatementKind.PREPARE,
        StatementKind.COPY_FROM,
        StatementKind.COPY_TABLE,
        StatementKind.TRUNCATE,
        StatementKind.BLOCK,
        StatementKind.RIGHTS,
    }
)
"""Kinds that PostgreSQL carries out, or refuses by its own words."""

SECRET_KINDS = frozenset(
    {
        StatementKind.CREDENTIAL,
        StatementKind.IMPORT,
        StatementKind.SERVER,
        StatementKind.FOREIGN_TABLE,
        StatementKind.NOT_GRAMMATICAL,
    }
)
"""Kinds whose text may hold a secret, in its place or by mistake: PostgreSQL gets it only once `manage` lets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationReference:
    """One relation named in a FROM clause: `position` is the byte offset of the name in the statement's text.

    `alias` is None where the text gives none. `target` says that the statement writes to the relation or
    makes it.
    """

    schema: str | None
    name: str
    alias: str | None
    position: int
    target: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelation:
    """What a statement makes: its name and columns as written (none: the query's), and how.

    `if_not_exists` says that one that exists is left alone, `with_data` that it is filled.
    """

    schema: str | None
    name: str
    temporary: bool
    if_not_exists: bool = False
    with_data: bool = True
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A relation that a statement writes rows into, or makes and fills.

    `columns` are those it names (none: the relation's first ones); `by_place` says that the outputs of its query go
    into them in their order.
    """

    schema: str | None
    name: str
    made: bool = False
    temporary: bool = False
    columns: tuple[str, ...] = ()
    by_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How the rows of a statement that writes may be loaded by COPY.

    They go into the relation `schema.name`, `temporary` or where new ones are made. `query` gives them; `creation`
    makes the relation without rows, None for INSERT, whose `columns` are those it names (none: the table's first ones).
    `moved` says that positions in `creation` are not those of the client's text.
    """

    query: str
    schema: str | None
    name: str
    temporary: bool = False
    creation: str | None = None
    moved: bool = False
    columns: tuple[str, ...] = ()


class Direction(StrEnum):
    """Where FETCH and MOVE go."""

    FORWARD = "FORWARD"
    BACKWARD = "BACKWARD"
    ABSOLUTE = "ABSOLUTE"
    RELATIVE = "RELATIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What FETCH or MOVE asks of a portal: `count` rows (None: all), which it `shows` if it is FETCH."""

    portal: str
    direction: Direction
    count: int | None
    shows: bool


def says(options: Iterable[tuple[str, str]], name: str, *, unsaid: bool = False) -> bool:
    """Return what options, as they are written, say of one that is on or off; the last of a name counts."""
    value = dict(options).get(name)
    return unsaid if value is None else value.lower() in ("true", "on", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement that may reach an API table.

    `text` is the client's own; `offset` counts the characters before it in the message it came in. `query` is the part
    of the text that is the query (inside EXPLAIN or COPY), starting at byte `query_position`. `creates` are names
    of relations that it defines. `named_columns` are all column names in the text, `*` for a star or a whole row.
    `settings` are names below `omnisql.` that it sets, with their values, None for the default. `definition` is what a
    managed statement asks for. `parameter` is the first parameter of a query: its byte offset and its number; None for
    EXPLAIN (GENERIC_PLAN), which does without the values of its `unvalued_count` parameters.
    `makes` is the relation that CREATE .. AS makes, `executes` the name of the prepared statement that is executed.
    `needs_block` says that PostgreSQL refuses it outside a transaction block, `with_data` that REFRESH is to fill.
    `hints` are the custom settings that its comments `/*+ .. */` set for it alone, `movement` what FETCH or MOVE does.
    `within` is the kind of the statement that EXPLAIN or COPY is of.
    `renews` says that its rows are asked of their sources, whatever is kept, and kept from then on, `reads_unseen` that
    it may read what was derived from API tables by what its transaction has made, which no name tells.
    """

    text: str
    kind: StatementKind
    references: tuple[RelationReference, ...]
    offset: int = 0
    query: str = ""
    query_position: int = 0
    creates: frozenset[str] = frozenset()
    explain_options: tuple[tuple[str, str], ...] = ()
    copy_options: tuple[tuple[str, str], ...] = ()
    locking: bool = False
    named_columns: frozenset[str] = frozenset()
    settings: tuple[tuple[str, str | None], ...] = ()
    definition: Definition | None = None
    parameter: tuple[int, int] | None = None
    unvalued_count: int = 0
    makes: NewRelation | None = None
    executes: str | None = None
    needs_block: bool = False
    hints: tuple[tuple[str, str], ...] = ()
    movement: Movement | None = None
    with_data: bool = True
    within: StatementKind | None = None
    renews: bool = False
    reads_unseen: bool = False

    @property
    def act(self) -> StatementKind:
        """Return the kind of what is carried out, or explained."""
        return self.within or self.kind

    @property
    def writes(self) -> bool:
        """Say whether rows are written, or would be."""
        return self.act in (StatementKind.WRITE, StatementKind.MATERIALIZED_VIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One statement of a message: relayed when `statement` is None, or its kind is not one that is run.

    `parameter` is its first parameter, as in Statement.
    """

    text: str
    offset: int
    statement: Statement | None
    parameter: tuple[int, int] | None = None


def to_run_as_one(text: bytes) -> tuple[Part, ...]:
    """Return a whole message as one statement that the runner is asked about, whatever is in it."""
    whole = text.decode("utf-8", "replace")
    return (Part(text=whole, offset=0, statement=Statement(text=whole, kind=StatementKind.SELECT, references=())),)
