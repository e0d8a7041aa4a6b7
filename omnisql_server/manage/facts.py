"""What PostgreSQL's catalog records of a server and of a user mapping, read through a session's own backend.

Read there, what the session's open transaction has made is seen too. The session's search_path is the user's: every
name below is qualified. Options of a user mapping that its reader may not see come back as None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from catalog.quoting import identifier, qualified
from omnisql_server.errors import InternalError
from omnisql_server.manage.errors import ServerUnknown
from omnisql_server.model.backend import Answer, Ask, Backend, Rows
from omnisql_server.model.definition import RoleKind

SERVER = """
SELECT s.oid, s.srvname, w.fdwname,
       w.fdwhandler OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND n.nspname OPERATOR(pg_catalog.=) 'omnisql_catalog',
       pg_catalog.array_to_json(s.srvoptions),
       pg_catalog.has_server_privilege(s.oid, 'USAGE'),
       m.umid, m.umuser, pg_catalog.array_to_json(m.umoptions), s.srvversion
  FROM pg_catalog.pg_foreign_server AS s
  JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
  LEFT JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) w.fdwvalidator
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
  LEFT JOIN LATERAL (
       SELECT u.umid, u.umuser, u.umoptions FROM pg_catalog.pg_user_mappings AS u
        WHERE u.srvid OPERATOR(pg_catalog.=) s.oid
          AND (u.umuser OPERATOR(pg_catalog.=) 0::pg_catalog.oid
               OR u.usename OPERATOR(pg_catalog.=) $2::pg_catalog.name)
        ORDER BY u.umuser DESC LIMIT 1
  ) AS m ON true
 WHERE s.srvname OPERATOR(pg_catalog.=) $1::pg_catalog.name
"""
"""A server, and the user mapping that a role uses there: its own, else the one for PUBLIC."""

TARGET = """
SELECT r.oid, EXISTS (
       SELECT FROM pg_catalog.pg_user_mappings AS u
        WHERE u.srvname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND u.umuser OPERATOR(pg_catalog.=) r.oid),
       pg_catalog.current_setting('standard_conforming_strings')
  FROM (SELECT CASE WHEN $2::pg_catalog.text OPERATOR(pg_catalog.=) 'PUBLIC' THEN 0::pg_catalog.oid ELSE (
       SELECT a.oid FROM pg_catalog.pg_roles AS a
        WHERE a.rolname OPERATOR(pg_catalog.=) CASE
              WHEN $2::pg_catalog.text OPERATOR(pg_catalog.=) 'name' THEN $3::pg_catalog.name
              WHEN $2::pg_catalog.text OPERATOR(pg_catalog.=) 'SESSION_USER' THEN session_user
              ELSE current_user END) END) AS r(oid)
"""
"""The role that a statement's user mapping is for, and whether it has one at the server already."""

WRAPPER = """
SELECT w.fdwhandler OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND n.nspname OPERATOR(pg_catalog.=) 'omnisql_catalog'
  FROM pg_catalog.pg_foreign_data_wrapper AS w
  LEFT JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) w.fdwvalidator
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
 WHERE w.fdwname OPERATOR(pg_catalog.=) $1::pg_catalog.name
"""
"""Whether a wrapper is one of OmniSQL's."""

MAPPINGS_COUNT = """
SELECT pg_catalog.count(*) FROM pg_catalog.pg_user_mappings AS u WHERE u.srvid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
"""
"""How many user mappings a server has."""

CHECK_ALLOWED = """
SELECT p.oid, pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
       AND pg_catalog.has_schema_privilege(p.pronamespace, 'USAGE')
  FROM pg_catalog.pg_proc AS p
 WHERE p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('omnisql.check_source(pg_catalog.text)')::pg_catalog.oid
"""
"""The procedure that checks a source, and whether the current user may call it."""

TABLE = """
SELECT s.srvname, pg_catalog.array_to_json(t.ftoptions),
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, a.atttypid::pg_catalog.int8,
                 pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.array_to_json(a.attfdwoptions))
                 ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
           AND NOT a.attisdropped)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_foreign_table AS t ON t.ftrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_foreign_server AS s ON s.oid OPERATOR(pg_catalog.=) t.ftserver
 WHERE c.oid OPERATOR(pg_catalog.=) CASE
       WHEN $2::pg_catalog.bool THEN pg_catalog.to_regclass(pg_catalog.concat(
            pg_catalog.quote_ident(pg_catalog.current_schema()), '.', $1::pg_catalog.text))
       ELSE pg_catalog.to_regclass($1::pg_catalog.text) END::pg_catalog.oid
"""
"""A foreign table with its columns; a new one without a schema is in the first schema of the search_path."""

CONSTANTS = {
    "WRAPPER": WRAPPER,
    "SERVER": SERVER,
    "TARGET": TARGET,
    "MAPPINGS_COUNT": MAPPINGS_COUNT,
    "CHECK_ALLOWED": CHECK_ALLOWED,
    "TABLE": TABLE,
}
"""All of the above by name, for the test that parses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFacts:
    """A user mapping: `role_oid` is 0 for PUBLIC, `options` is None where the reader may not see them."""

    oid: int
    role_oid: int
    options: Mapping[str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A foreign server. `ours` says whether its wrapper is one of OmniSQL's; `usable` whether the reader has USAGE."""

    oid: int
    name: str
    wrapper: str
    ours: bool
    options: Mapping[str, str]
    usable: bool
    mapping: MappingFacts | None
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What a statement's user mapping is for; `role_oid` is None for an unknown role, `exists` if it has one."""

    role_oid: int | None
    exists: bool
    standard_strings: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column of a foreign table."""

    name: str
    type_oid: int
    type_sql: str
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A foreign table."""

    server: str
    options: Mapping[str, str]
    columns: tuple[ColumnFacts, ...]


async def find_server(backend: Backend, server: str, principal: str) -> ServerFacts | None:
    """Read a server with the mapping that a principal uses there; None if there is no such server."""
    (answer,) = await backend.ask(Ask(sql=SERVER, parameters=(server, principal)))
    rows = _rows(answer)
    return server_facts(rows[0]) if rows else None


async def require_server(backend: Backend, server: str, principal: str) -> ServerFacts:
    """Read a server that must exist.

    Raises:
        ServerUnknown: 42704, in PostgreSQL's words.
    """
    found = await find_server(backend, server, principal)
    if found is None:
        raise ServerUnknown(message=f'server "{server}" does not exist')
    return found


async def is_ours(backend: Backend, wrapper: str) -> bool | None:
    """Say whether a foreign-data wrapper is one of OmniSQL's; None if there is no such wrapper."""
    (answer,) = await backend.ask(Ask(sql=WRAPPER, parameters=(wrapper,)))
    rows = _rows(answer)
    return rows[0][0] == "t" if rows else None


async def find_target(backend: Backend, server: str, role_kind: RoleKind, role: str) -> TargetFacts:
    """Read whom a user mapping is for."""
    (answer,) = await backend.ask(Ask(sql=TARGET, parameters=(server, role_kind.value, role)))
    ((oid, exists, standard),) = _rows(answer)
    return TargetFacts(
        role_oid=None if oid is None else int(oid), exists=exists == "t", standard_strings=standard == "on"
    )


async def count_mappings(backend: Backend, server_oid: int) -> int:
    """Count the user mappings of a server."""
    (answer,) = await backend.ask(Ask(sql=MAPPINGS_COUNT, parameters=(str(server_oid),)))
    return int(_rows(answer)[0][0] or 0)


async def may_check(backend: Backend) -> bool | None:
    """Say whether the current user may call the procedure that checks a source; None if there is none."""
    (answer,) = await backend.ask(Ask(sql=CHECK_ALLOWED))
    rows = _rows(answer)
    return rows[0][1] == "t" if rows else None


async def find_table(backend: Backend, schema: str | None, name: str, *, new: bool) -> TableFacts | None:
    """Read a foreign table; None if there is no foreign table of that name."""
    quoted = identifier(name) if schema is None else qualified(schema, name)
    made_here = new and schema is None
    (answer,) = await backend.ask(Ask(sql=TABLE, parameters=(quoted, "t" if made_here else "f")))
    rows = _rows(answer)
    if not rows:
        return None
    server, options, columns = rows[0]
    return TableFacts(
        server=server or "",
        options=options_of(options),
        columns=tuple(
            ColumnFacts(name=name, type_oid=oid, type_sql=spelled, options=_pairs(entries))
            for name, oid, spelled, entries in json.loads(columns or "[]")
        ),
    )


def server_facts(row: Sequence[str | None]) -> ServerFacts:
    """Read a row of `SERVER`, every value in text form."""
    oid, name, wrapper, ours, options, usable, mapping_oid, role_oid, held, version = row
    mapping = None
    if mapping_oid is not None:
        mapping = MappingFacts(
            oid=int(mapping_oid),
            role_oid=int(role_oid or 0),
            options=None if held is None else options_of(held),
        )
    return ServerFacts(
        oid=int(oid or 0),
        name=name or "",
        wrapper=wrapper or "",
        ours=ours == "t",
        options=options_of(options),
        usable=usable == "t",
        mapping=mapping,
        version=version or "",
    )


def options_of(entries: str | None) -> dict[str, str]:
    """Read an option array that came as JSON."""
    return _pairs(json.loads(entries or "[]"))


def _pairs(entries: Sequence[str] | None) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in entries or ())
    return {key: value for key, _, value in pairs}


def _rows(answer: Answer) -> tuple[tuple[str | None, ...], ...]:
    if not isinstance(answer, Rows):
        raise InternalError(message="the backend answered out of order")
    return answer.rows
