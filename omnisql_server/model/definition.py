"""Statements about servers, user mappings and foreign tables as PostgreSQL's grammar reads them. Frozen values.

Values of options may be secrets: they are kept out of every representation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class OptionAction(StrEnum):
    """What an OPTIONS clause does with an option; without a word it adds it."""

    ADD = "ADD"
    SET = "SET"
    DROP = "DROP"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChange:
    """One entry of an OPTIONS clause; a dropped option has no value."""

    name: str
    action: OptionAction = OptionAction.ADD
    value: str | None = field(default=None, repr=False)


class RoleKind(StrEnum):
    """How a user mapping names its role."""

    NAME = "name"
    CURRENT_ROLE = "CURRENT_ROLE"
    CURRENT_USER = "CURRENT_USER"
    SESSION_USER = "SESSION_USER"
    PUBLIC = "PUBLIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDefinition:
    """CREATE or ALTER USER MAPPING; `role` is empty unless the role is given by name."""

    creates: bool
    role_kind: RoleKind
    role: str
    server: str
    options: tuple[OptionChange, ...]
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDefinition:
    """CREATE or ALTER SERVER; `wrapper` is None for ALTER, `version` where none is given."""

    server: str
    wrapper: str | None
    options: tuple[OptionChange, ...]
    version: str | None = None


class ImportRule(StrEnum):
    """Which tables IMPORT FOREIGN SCHEMA takes."""

    ALL = "all"
    LIMIT_TO = "LIMIT TO"
    EXCEPT = "EXCEPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDefinition:
    """IMPORT FOREIGN SCHEMA; `tables` are those of the rule's list."""

    remote_schema: str
    server: str
    local_schema: str
    rule: ImportRule
    tables: tuple[str, ...]
    options: tuple[OptionChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTableDefinition:
    """CREATE or ALTER FOREIGN TABLE; `server` is None for ALTER.

    `options` are the table's, `column_options` those of all columns. `reshapes` says that options, columns or types may
    change, `inherits` that the table becomes a child of another or a partition.
    """

    schema: str | None
    name: str
    server: str | None
    options: tuple[OptionChange, ...]
    column_options: tuple[OptionChange, ...]
    reshapes: bool
    inherits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDefinition:
    """CALL; an argument that is not written as a plain string is None."""

    schema: str | None
    name: str
    arguments: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotGrammatical:
    """A text that PostgreSQL's grammar refuses and that may hold a secret; `position` is a character, from 1."""

    message: str
    sqlstate: str
    position: int | None


Definition = (
    MappingDefinition | ServerDefinition | ImportDefinition | ForeignTableDefinition | CallDefinition | NotGrammatical
)
