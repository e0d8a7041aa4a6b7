"""Random GRANTs and random statements over relations that exist twice: over API tables, and over local copies of them.

A statement names relations without a schema; the search_path says which of the two it reads.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

API, LOCAL = "pr_api", "pr_local"
ROLES = ("pr_a", "pr_b", "pr_c", "pr_group", "pr_owner")
TABLES = ("p", "r")
VIEWS = ("v_plain", "v_where", "v_join", "v_nested", "v_total", "v_deep")
RELATIONS = (*TABLES, *VIEWS)
COLUMNS = ("k", "name", "kind")
VIEW_TEXTS = {
    "v_plain": "SELECT k, name, kind FROM {s}.p",
    "v_where": "SELECT k, name, kind FROM {s}.p WHERE kind <> 'none'",
    "v_join": "SELECT p.k, r.name, p.kind FROM {s}.p JOIN {s}.r ON p.kind <> r.kind",
    "v_nested": "SELECT k, name, 'fixed' AS kind FROM {s}.v_where",
    "v_total": "SELECT max(k) AS k, name, min(kind) AS kind FROM {s}.r GROUP BY name",
    "v_deep": "SELECT n.k, n.name, t.kind FROM {s}.v_nested n, {s}.v_total t WHERE t.name = n.name",
}


LOCAL_TABLE = "lo"
MIXED_TEXTS = {
    "x_join": "SELECT p.k, lo.name, p.kind FROM {s}.p JOIN {s}.lo ON lo.k = p.k",
    "x_within": "SELECT k, name, kind FROM {s}.p WHERE k IN (SELECT k FROM {s}.lo WHERE kind <> 'none')",
    "x_local": "SELECT k, name, kind FROM {s}.lo WHERE kind <> 'none'",
    "x_over": "SELECT p.k, l.name, l.kind FROM {s}.p JOIN {s}.x_local l ON l.k = p.k",
    "x_deep": "SELECT j.k, j.name, w.kind FROM {s}.x_join j LEFT JOIN {s}.x_within w ON w.k = j.k",
}
"""Views over the API table and a local one; `x_local` is PostgreSQL's alone on both sides."""
MIXED = (LOCAL_TABLE, *MIXED_TEXTS, "p")


class Cases:
    """Gives statements from one seed."""

    def __init__(self, seed: int, relations: tuple[str, ...] = RELATIONS, views: tuple[str, ...] = VIEWS) -> None:
        self._random = random.Random(seed)
        self._relations, self._views = relations, views

    def grants(self, schemas: tuple[str, str], count: int) -> Iterator[tuple[str, ...]]:
        """Give changes of privileges; those of objects once for each schema."""
        for _ in range(count):
            kind = self._random.choices(
                ("relation", "columns", "member", "owner", "invoker", "schema"), (9, 9, 4, 2, 2, 1)
            )[0]
            yield getattr(self, f"_{kind}")(schemas)

    def _relation(self, schemas: tuple[str, str]) -> tuple[str, ...]:
        name, role = self._random.choice(self._relations), self._grantee()
        if self._random.random() < 0.5:
            option = " WITH GRANT OPTION" if role != "PUBLIC" and self._random.random() < 0.2 else ""
            return tuple(f"GRANT SELECT ON {s}.{name} TO {role}{option}" for s in schemas)
        privilege = self._random.choice(("SELECT", "ALL"))
        return tuple(f"REVOKE {privilege} ON {s}.{name} FROM {role} CASCADE" for s in schemas)

    def _columns(self, schemas: tuple[str, str]) -> tuple[str, ...]:
        columns = ", ".join(self._random.sample(COLUMNS, self._random.randint(1, 2)))
        name, role = self._random.choice(self._relations), self._grantee()
        verb, word = ("GRANT", "TO") if self._random.random() < 0.55 else ("REVOKE", "FROM")
        return tuple(f"{verb} SELECT ({columns}) ON {s}.{name} {word} {role}" for s in schemas)

    def _member(self, _schemas: tuple[str, str]) -> tuple[str, ...]:
        group = self._random.choice(("pr_group", "pr_owner"))
        member = self._random.choice(("pr_a", "pr_b", "pr_c"))
        if self._random.random() < 0.4:
            return (f"REVOKE {group} FROM {member}",)
        inherit, settable = (self._random.choice(("TRUE", "FALSE")) for _ in range(2))
        return (f"GRANT {group} TO {member} WITH INHERIT {inherit}, SET {settable}",)

    def _owner(self, schemas: tuple[str, str]) -> tuple[str, ...]:
        name, role = self._random.choice(self._relations), self._random.choice(ROLES)
        return tuple(f"ALTER TABLE {s}.{name} OWNER TO {role}" for s in schemas)

    def _invoker(self, schemas: tuple[str, str]) -> tuple[str, ...]:
        name, wanted = self._random.choice(self._views), self._random.choice(("true", "false"))
        return tuple(f"ALTER VIEW {s}.{name} SET (security_invoker = {wanted})" for s in schemas)

    def _schema(self, schemas: tuple[str, str]) -> tuple[str, ...]:
        role = self._random.choice(ROLES)
        if self._random.random() < 0.6:
            return tuple(f"GRANT USAGE ON SCHEMA {s} TO {role}" for s in schemas)
        return tuple(f"REVOKE USAGE ON SCHEMA {s} FROM {role}" for s in schemas)

    def _grantee(self) -> str:
        return self._random.choice((*ROLES, "PUBLIC"))

    def role(self) -> str:
        """Choose who asks."""
        return self._random.choice(ROLES)

    def statement(self) -> str:
        """Give one statement that reads."""
        one, two = self._random.choices(self._relations, k=2)
        a, b, c = self._random.choices(COLUMNS, k=3)
        # What only PostgreSQL's grammar is trusted with takes another way than what has a tree.
        spliced = self._random.choice(("", " AND 1_000 > 1"))
        text: str = self._random.choice(_TEXTS).format(one=one, two=two, a=a, b=b, c=c, x=spliced)
        return self._random.choices(tuple(_WAYS), tuple(_WAYS.values()))[0].format(text)

    def write(self) -> str:
        """Give one statement that writes to the session's own table."""
        one, two = self._random.choices(self._relations, k=2)
        a, b, c = self._random.choices(COLUMNS, k=3)
        text: str = self._random.choice(_WRITES)
        return text.format(one=one, two=two, a=a, b=b, c=c)


_CHANGES = {"relation": 9, "columns": 9, "member": 4, "owner": 2, "invoker": 2, "schema": 1}
_WAYS = {"{}": 12, "EXPLAIN (COSTS OFF) {}": 1, "COPY ({}) TO STDOUT": 1, "CREATE TEMP TABLE made AS {}": 1}
_TEXTS = (
    "SELECT {a} FROM {one} WHERE true{x}",
    "SELECT {a}, {b} FROM {one} WHERE {c} <> ''{x}",
    "SELECT * FROM {one} WHERE true{x}",
    "SELECT {one} FROM {one} WHERE true{x}",
    "SELECT z.* FROM {one} AS z WHERE true{x}",
    "SELECT count(*) FROM {one} WHERE true{x}",
    "SELECT count({a}) FROM {one} WHERE true{x}",
    "SELECT 1 FROM {one} WHERE {a} IS NOT NULL{x}",
    "SELECT {a} FROM {one} WHERE true{x} ORDER BY {b}, {a}",
    "SELECT {a} AS {b} FROM {one} WHERE true{x} ORDER BY {b}",
    "SELECT {a}, count(*) FROM {one} WHERE true{x} GROUP BY {a} HAVING max({b}) <> ''",
    "SELECT s.{a}, t.{b} FROM {one} s JOIN {two} t USING ({c}) WHERE true{x}",
    "SELECT s.{a} FROM {one} s NATURAL JOIN {two} t WHERE true{x}",
    "SELECT s.{a} FROM {one} s LEFT JOIN {two} t ON s.{b} = t.{c} WHERE true{x}",
    "SELECT q.{a} FROM (SELECT {a}, {b} FROM {one}) q WHERE true{x}",
    "SELECT q.{a} FROM (SELECT * FROM {one}) q WHERE true{x}",
    "WITH q AS (SELECT {a} FROM {one}) SELECT q.* FROM q WHERE true{x}",
    "WITH {two} AS (SELECT {a} FROM {one}) SELECT {a} FROM {two} WHERE true{x}",
    "SELECT {a} FROM {one} s WHERE EXISTS (SELECT 1 FROM {two} t WHERE t.{b} = s.{c}){x}",
    "SELECT {a} FROM {one} WHERE {a} IN (SELECT {b} FROM {two}){x}",
    "SELECT {a}, (SELECT max({b}) FROM {two}) FROM {one} WHERE true{x}",
    "SELECT {a} FROM {one} UNION SELECT {b} FROM {two} WHERE true{x}",
    "SELECT s.{a} FROM {one} s, LATERAL (SELECT t.{b} FROM {two} t WHERE t.{c} = s.{c}) l WHERE true{x}",
    "SELECT DISTINCT ON ({a}) {b} FROM {one} WHERE true{x} ORDER BY {a}, {b}",
    "SELECT row_to_json(s) FROM {one} s WHERE true{x}",
    "SELECT (s).{a} FROM {one} s WHERE true{x}",
    "SELECT {a} FROM {one} WHERE true{x} ORDER BY {b}, {a} LIMIT 2",
    "SELECT rank() OVER (PARTITION BY {a} ORDER BY {b}) FROM {one} WHERE true{x}",
    "TABLE {one}",
)
_WRITES = (
    "INSERT INTO mine SELECT {a}, {b} FROM {one}",
    "INSERT INTO mine (k) SELECT s.{a} FROM {one} s JOIN {two} t ON s.{b} = t.{c}",
    "UPDATE mine SET name = s.{a} FROM {one} s WHERE mine.k = s.{b}",
    "UPDATE mine SET name = (SELECT max({a}) FROM {one})",
    "DELETE FROM mine USING {one} s WHERE mine.name = s.{a}",
    "DELETE FROM mine WHERE k IN (SELECT {a} FROM {one} WHERE {b} <> '')",
    "MERGE INTO mine USING {one} s ON mine.k = s.{a} WHEN MATCHED THEN UPDATE SET name = s.{b}",
    "DECLARE seen CURSOR FOR SELECT {a} FROM {one}",
)
