"""What reads relations derived from API tables without being one: functions, and what calls functions by itself.

A *carrier* is the name of a function whose body names such a relation or another carrier, of an operator or a cast's
type that calls one, or of a table, view or domain whose triggers, defaults, constraints, indexes, rules or policies do.
Names are compared, and not what a body means: more may carry than does. A body that makes SQL at run time may read
anything (`ANYTHING`), and so may PostgreSQL's own functions that run a text. `SQL` needs a control
connection (pinned search_path).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from asyncpg import Record

from catalog.lineage import ABOVE_WITH
from catalog.name_pattern import CUT_BYTES_MIN, WORDS
from catalog.quoting import literal
from catalog.validators import CATALOG_SCHEMA

ANYTHING = 0
"""In the place of a relation's OID: whatever was derived."""
COMMITS = 1
"""The same: nothing, but it may end transactions."""

# PostgreSQL 18, chapters 9.15.3, 9.13, 53, F.43 and F.11: functions that run a text or read a relation by its name, and
# views that show values out of tables.
RUNNERS = (
    *(f"{what}_to_xml{how}" for what in ("query", "table", "cursor") for how in ("", "schema")),
    *(f"{what}_to_xml_and_xmlschema" for what in ("query", "table", "schema", "database")),
    *(f"{what}_to_xml{how}" for what in ("schema", "database") for how in ("", "schema")),
    *("ts_stat", "ts_rewrite", "pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"),
    *(f"crosstab{columns}" for columns in ("", "2", "3", "4")),
    *("connectby", "dblink", "dblink_open", "dblink_send_query"),
)
_MAKES_SQL = r"\mexecute\M|u&[\"'']|\m(" + "|".join(RUNNERS) + r")\M"
_COMMITS = r"\m(commit|rollback)\M"
_INDEXES = "(SELECT i.indexrelid AS oid, i.indrelid FROM pg_catalog.pg_index i)"
_CALLED_BY = " UNION ALL ".join(
    f"SELECT {name} FROM {source} WHERE d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND o.oid = d.objid"
    for catalog, name, source in (
        ("pg_rewrite", "c.relname", "pg_catalog.pg_rewrite o JOIN pg_catalog.pg_class c ON c.oid = o.ev_class"),
        ("pg_attrdef", "c.relname", "pg_catalog.pg_attrdef o JOIN pg_catalog.pg_class c ON c.oid = o.adrelid"),
        ("pg_constraint", "c.relname", "pg_catalog.pg_constraint o JOIN pg_catalog.pg_class c ON c.oid = o.conrelid"),
        ("pg_constraint", "c.typname", "pg_catalog.pg_constraint o JOIN pg_catalog.pg_type c ON c.oid = o.contypid"),
        ("pg_policy", "c.relname", "pg_catalog.pg_policy o JOIN pg_catalog.pg_class c ON c.oid = o.polrelid"),
        ("pg_proc", "o.proname", "pg_catalog.pg_proc o"),
        ("pg_operator", "o.oprname", "pg_catalog.pg_operator o"),
        ("pg_cast", "t.typname", "pg_catalog.pg_cast o JOIN pg_catalog.pg_type t ON t.oid = o.casttarget"),
        ("pg_class", "c.relname", f"{_INDEXES} o JOIN pg_catalog.pg_class c ON c.oid = o.indrelid"),
    )
)
SQL = f"""
WITH {ABOVE_WITH}, functions AS MATERIALIZED (
    SELECT p.oid, p.proname AS name, pg_catalog.lower(p.prosrc) AS body,
        l.lanname NOT IN ('sql', 'plpgsql') OR pg_catalog.lower(p.prosrc) ~ '{_MAKES_SQL}' AS makes_sql,
        p.prokind = 'p' AND pg_catalog.lower(p.prosrc) ~ '{_COMMITS}' AS commits
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c')
        AND p.pronamespace NOT IN (SELECT n.oid FROM pg_catalog.pg_namespace n
                                   WHERE n.nspname IN ('{CATALOG_SCHEMA}', 'omnisql'))
), carrier(name, root, carries) AS (
    SELECT c.relname, a.root, false FROM above a JOIN pg_catalog.pg_class c ON c.oid = a.oid
    UNION SELECT f.name, {ANYTHING}::pg_catalog.oid, true FROM functions f WHERE f.makes_sql
    UNION SELECT f.name, {COMMITS}::pg_catalog.oid, true FROM functions f WHERE f.commits
    UNION SELECT r.name, {ANYTHING}::pg_catalog.oid, true
        FROM pg_catalog.unnest(ARRAY[{", ".join(map(literal, RUNNERS))}]::pg_catalog.name[]) r(name)
    UNION
    SELECT n.name, k.root, true FROM carrier k CROSS JOIN LATERAL (
        SELECT f.name FROM functions f
        WHERE pg_catalog.strpos(f.body, pg_catalog.lower(pg_catalog.replace(k.name::pg_catalog.text, '"', '""'))) > 0
            AND (k.name ~* '[^a-z0-9_]' OR pg_catalog.octet_length(k.name::pg_catalog.text) >= {CUT_BYTES_MIN}
                OR f.body ~ pg_catalog.concat('\\m', pg_catalog.lower(k.name::text), '\\M'))
        UNION ALL
        SELECT c.relname FROM functions f JOIN pg_catalog.pg_trigger t ON t.tgfoid = f.oid
            JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE f.name = k.name
        UNION ALL
        SELECT x.name FROM functions f JOIN pg_catalog.pg_depend d
            ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = f.oid
            CROSS JOIN LATERAL ({_CALLED_BY}) x(name) WHERE f.name = k.name
        UNION ALL
        SELECT x.name FROM pg_catalog.pg_operator p JOIN pg_catalog.pg_depend d
            ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid = p.oid
            CROSS JOIN LATERAL ({_CALLED_BY}) x(name) WHERE p.oprname = k.name AND p.oid >= 16384
        UNION ALL
        SELECT x.name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_depend d
            ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
            CROSS JOIN LATERAL ({_CALLED_BY}) x(name)
            WHERE c.relname = k.name AND c.oid >= 16384
                AND (k.carries OR d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
    ) n
)
SELECT k.name, pg_catalog.array_agg(DISTINCT k.root) AS roots FROM carrier k WHERE k.carries GROUP BY k.name
"""


_MAKES_SQL_TEXT, _COMMITS_TEXT = (
    re.compile(pattern.replace(r"\m", r"\b").replace(r"\M", r"\b"), re.IGNORECASE) for pattern in (_MAKES_SQL, _COMMITS)
)


def makes_sql(body: str) -> bool:
    """Say whether the body of a function, or a DO block, may run a text that it makes."""
    return _MAKES_SQL_TEXT.search(body) is not None


def commits(body: str) -> bool:
    """Say whether the body of a procedure, or a DO block, may end transactions."""
    return _COMMITS_TEXT.search(body) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """Names, each with the derived relations that a text may read by it, by OID."""

    names: frozenset[tuple[str, frozenset[int]]] = frozenset()
    _words: Mapping[bytes, frozenset[int]] = field(init=False, repr=False, compare=False)
    _others: Mapping[bytes, frozenset[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words: dict[bytes, frozenset[int]] = {}
        others: dict[bytes, frozenset[int]] = {}
        for name, roots in self.names:
            spelled = name.replace('"', '""').encode().lower()
            plain = spelled.translate(WORDS) == spelled and b" " not in spelled and len(spelled) < CUT_BYTES_MIN
            kind, key = (words, spelled) if plain else (others, spelled[:CUT_BYTES_MIN])
            kind[key] = kind.get(key, frozenset()) | roots
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_others", others)

    def roots(self, text: bytes) -> frozenset[int]:
        """Return which derived relations a text may read by functions, `ANYTHING` among them if that cannot be told."""
        if not self.names:
            return frozenset()
        lowered = text.lower()
        if b'u&"' in lowered:
            # An identifier with Unicode escapes can spell any name.
            return frozenset({ANYTHING})
        found = [self._words[word] for word in {*text.translate(WORDS).split()} if word in self._words]
        found += [roots for name, roots in self._others.items() if name in lowered]
        return frozenset[int]().union(*found)


def carriers_of(rows: Iterable[Record]) -> Carriers:
    """Make them of the rows that `SQL` gives."""
    return Carriers(names=frozenset((row["name"], frozenset(row["roots"])) for row in rows))
