"""The constant queries that bind asks of a user's backend, and the reading of their answers.

The session's search_path is the user's: every relation, function, type and operator below is qualified, so that nothing
a user creates can answer in PostgreSQL's place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from omnisql_server.errors import InternalError
from omnisql_server.model.backend import Answer, Ask, Prepared, Rows
from omnisql_server.model.custom_settings import checked
from omnisql_server.model.freshness import duration_us
from omnisql_server.model.query import Check, Settings
from omnisql_server.model.relation import Attribute, Relation, RelationKind

STATE = """
SELECT (SELECT s.last_value FROM omnisql_catalog.ddl_sequence AS s),
       pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('DateStyle'),
       pg_catalog.current_setting('IntervalStyle'), pg_catalog.current_setting('extra_float_digits'),
       pg_catalog.current_setting('statement_timeout'),
       pg_catalog.current_setting('omnisql.engine', true), pg_catalog.current_setting('omnisql.on_source_error', true),
       pg_catalog.current_setting('omnisql.max_api_calls', true), current_user,
       pg_catalog.current_setting('search_path'), pg_catalog.current_setting('standard_conforming_strings'),
       pg_catalog.current_setting('transform_null_equals'), pg_catalog.current_setting('array_nulls'),
       pg_catalog.current_setting('omnisql.max_staleness', true),
       pg_catalog.current_setting('omnisql.stale_if_error', true), pg_catalog.current_setting('omnisql.purpose', true),
       CASE WHEN pg_catalog.current_setting('log_parameter_max_length_on_error') OPERATOR(pg_catalog.<>) '0'
            THEN 'log_parameter_max_length_on_error'
            WHEN pg_catalog.current_setting('debug_print_plan') OPERATOR(pg_catalog.<>) 'off' THEN 'debug_print_plan'
       END
"""
"""One row: the catalog's sequence and every setting that a run statement depends on."""

LOCKED = """
SELECT c.oid, c.relkind
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) l.relation
 WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
   AND l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text
   AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
   AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])
"""
"""The user's relations that this backend holds locks on: after Parse, those that the statement really touches."""

RESOLVE = """
SELECT CASE WHEN u.schema OPERATOR(pg_catalog.=) ''
            THEN pg_catalog.to_regclass(pg_catalog.quote_ident(u.name))::pg_catalog.oid
            ELSE (SELECT c.oid FROM pg_catalog.pg_class AS c
                   WHERE c.relname OPERATOR(pg_catalog.=) u.name::pg_catalog.name
                     AND c.relnamespace OPERATOR(pg_catalog.=)
                         CASE WHEN u.schema OPERATOR(pg_catalog.=) 'pg_temp' THEN pg_catalog.pg_my_temp_schema()
                              ELSE (SELECT n.oid FROM pg_catalog.pg_namespace AS n
                                     WHERE n.nspname OPERATOR(pg_catalog.=) u.schema::pg_catalog.name) END) END
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
       WITH ORDINALITY AS u(schema, name, place)
 ORDER BY u.place
"""
"""What each name means to this session, in order; null where it means nothing.

No schema is '': while array_nulls is off, no element of an array's text is null. A name with a schema is looked up
without asking for USAGE of the schema: it may come from a view's definition, and for the statement's own text
PostgreSQL has asked already.
"""

DETAIL = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.pg_get_userbyid(c.relowner),
       pg_catalog.array_to_json(c.reloptions),
       CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" THEN pg_catalog.pg_get_viewdef(c.oid) END,
       c.relrowsecurity, f.srvname, w.fdwname, pg_catalog.array_to_json(t.ftoptions),
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attname, a.atttypid,
                 pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.array_to_json(a.attfdwoptions))
                 ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
           AND NOT a.attisdropped)
  FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS u(oid)
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) u.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  LEFT JOIN pg_catalog.pg_foreign_table AS t ON t.ftrelid OPERATOR(pg_catalog.=) c.oid
  LEFT JOIN pg_catalog.pg_foreign_server AS f ON f.oid OPERATOR(pg_catalog.=) t.ftserver
  LEFT JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) f.srvfdw
"""
"""Everything about the given relations."""

PRIVILEGES = """
SELECT CASE WHEN u.attribute OPERATOR(pg_catalog.=) 0
            THEN pg_catalog.has_any_column_privilege(r.oid, u.relation, 'SELECT')
            ELSE pg_catalog.has_table_privilege(r.oid, u.relation, 'SELECT')
              OR pg_catalog.has_column_privilege(r.oid, u.relation, u.attribute, 'SELECT') END
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.oid[]),
                  pg_catalog.unnest($3::pg_catalog.int2[])) WITH ORDINALITY AS u(role, relation, attribute, place)
  LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname OPERATOR(pg_catalog.=) u.role::pg_catalog.name
 ORDER BY u.place
"""
"""Whether a role may SELECT an attribute of a relation (0: any one of them), in order."""

EXISTS = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n
                   ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                WHERE c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
                  AND CASE WHEN $3::pg_catalog.bool THEN n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
                           ELSE n.nspname OPERATOR(pg_catalog.=)
                                COALESCE($1::pg_catalog.name, pg_catalog.current_schema()) END)
"""
"""Whether there is a relation of a name where PostgreSQL would make one."""

CONSTANTS = {
    "STATE": STATE,
    "LOCKED": LOCKED,
    "RESOLVE": RESOLVE,
    "DETAIL": DETAIL,
    "PRIVILEGES": PRIVILEGES,
    "EXISTS": EXISTS,
}
"""All of the above by name, for the test that parses them."""


def ask_resolve(names: Iterable[tuple[str | None, str]]) -> Ask:
    """Ask what names mean; the answer's rows are in the same order."""
    return Ask(sql=RESOLVE, parameters=resolvable(names))


def resolvable(names: Iterable[tuple[str | None, str]]) -> tuple[str, str]:
    """Write the parameters of RESOLVE: schemas and names."""
    pairs = tuple(names)
    return text_array(schema or "" for schema, _ in pairs), text_array(name for _, name in pairs)


def ask_exists(schema: str | None, name: str, *, temporary: bool) -> Ask:
    """Ask whether a relation exists; the answer is one row of `t` or `f`."""
    return Ask(sql=EXISTS, parameters=(schema, name, "t" if temporary else "f"))


def ask_detail(oids: Iterable[int]) -> Ask:
    """Ask for everything about relations."""
    return Ask(sql=DETAIL, parameters=(text_array(str(oid) for oid in oids),))


def ask_privileges(checks: Sequence[Check]) -> Ask:
    """Ask whether all checks hold; `privileges_held` reads the answer."""
    flat = [(check, attribute) for check in checks for attribute in (check.attributes or (0,))]
    return Ask(
        sql=PRIVILEGES,
        parameters=(
            text_array(check.role for check, _ in flat),
            text_array(str(check.relation_oid) for check, _ in flat),
            text_array(str(attribute) for _, attribute in flat),
        ),
    )


def denied(checks: Sequence[Check], answer: Answer) -> tuple[Check, ...]:
    """Return the checks that do not hold, in order."""
    flat = [check for check in checks for _ in (check.attributes or (0,))]
    rows = rows_of(answer)
    if len(rows) != len(flat):
        raise InternalError(message="privileges were not answered for every relation")
    return tuple(dict.fromkeys(check for check, row in zip(flat, rows, strict=True) if row[0] != "t"))


def rows_of(answer: Answer) -> tuple[tuple[str | None, ...], ...]:
    """Return the rows of an `Ask`'s answer."""
    if not isinstance(answer, Rows):
        raise InternalError(message="the backend answered out of order")
    return answer.rows


def prepared_of(answer: Answer) -> Prepared:
    """Return the description that a `Prepare` was answered with."""
    if not isinstance(answer, Prepared):
        raise InternalError(message="the backend answered out of order")
    return answer


def read_state(answer: Answer) -> tuple[int, str, Settings]:
    """Read the catalog's sequence, the search_path and the settings."""
    sequence, zone, date, interval, digits, timeout, engine, on_error, calls, user, path, *rest = rows_of(answer)[0]
    reading, bounds, purpose, tells = rest[:3], rest[3:5], rest[5], rest[6]
    settings = Settings(
        time_zone=zone or "UTC",
        date_style=date or "",
        interval_style=interval or "",
        extra_float_digits=int(digits or 0),
        statement_timeout_ms=_duration_ms(timeout or "0"),
        engine=checked("omnisql.engine", engine),
        on_source_error=checked("omnisql.on_source_error", on_error),
        max_api_calls=int(count) if (count := checked("omnisql.max_api_calls", calls)) else None,
        current_user=user or "",
        catalog_first=_is_catalog_first(path or ""),
        plain_input=reading[:2] == ["on", "off"],
        array_nulls=reading[2] == "on",
        max_staleness_us=duration_us(checked("omnisql.max_staleness", bounds[0])),
        stale_if_error_us=duration_us(checked("omnisql.stale_if_error", bounds[1])) or 0,
        purpose=checked("omnisql.purpose", purpose),
        tells=tells or "",
    )
    return int(sequence or 0), path or "", settings


def read_oids(answer: Answer) -> frozenset[int]:
    """Read the OIDs of a `LOCKED` answer."""
    return frozenset(int(row[0] or 0) for row in rows_of(answer))


def read_relation(row: tuple[str | None, ...], api_wrappers: frozenset[str]) -> Relation:
    """Read one row of a `DETAIL` answer."""
    oid, schema, name, relkind, owner, reloptions, definition, row_security, *foreign, attributes = row
    server, wrapper, options = foreign
    is_api = relkind == "f" and wrapper in api_wrappers
    kinds = {"v": RelationKind.VIEW}
    table_options = _options(options)
    return Relation(
        oid=int(oid or 0),
        schema=schema or "",
        name=name or "",
        kind=RelationKind.API if is_api else kinds.get(relkind or "", RelationKind.LOCAL),
        owner=owner or "",
        relkind=relkind or "",
        attributes=tuple(_attribute(fields, is_api) for fields in json.loads(attributes or "[]")),
        server=server or "",
        wrapper=wrapper or "",
        api_table=table_options.get("table", name or "") if is_api else "",
        options=table_options,
        definition=(definition or "").rstrip().rstrip(";"),
        security_invoker=_is_on(reloptions, "security_invoker"),
        security_barrier=_is_on(reloptions, "security_barrier"),
        row_security=row_security == "t",
    )


def _is_on(reloptions: str | None, name: str) -> bool:
    """Say whether an option of a relation is set, in any of PostgreSQL's spellings of true."""
    value = _options(reloptions).get(name, "false").lower()
    return value in ("on", "1") or (value != "" and ("true".startswith(value) or "yes".startswith(value)))


def _is_catalog_first(search_path: str) -> bool:
    """Say whether pg_catalog is searched first: by its place, or because the path does not name it."""
    schemas = [schema.strip().strip('"') for schema in search_path.split(",")]
    return "pg_catalog" not in schemas[1:]


def _duration_ms(text: str) -> int:
    """Read a duration as SHOW prints it: a whole number with one of PostgreSQL's units, or 0."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * _UNITS_MS[text[len(digits) :]]


_UNITS_MS = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def _attribute(fields: list[object], is_api: bool) -> Attribute:
    number, name, type_oid, type_sql, options = fields
    api_column = _options(json.dumps(options)).get("column", str(name)) if is_api else None
    return Attribute(
        number=int(str(number)),
        name=str(name),
        type_oid=int(str(type_oid)),
        type_sql=str(type_sql),
        api_column=api_column,
    )


def _options(text: str | None) -> dict[str, str]:
    pairs = json.loads(text) if text else None
    return dict(pair.split("=", 1) for pair in pairs or ())


def text_array(items: Iterable[str]) -> str:
    """Write a one-dimensional array literal of text, which means the same whatever array_nulls is."""
    return "{" + ",".join(_element(item) for item in items) + "}"


def _element(item: str) -> str:
    return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
