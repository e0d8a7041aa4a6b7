"""Random statements over tables of an external PostgreSQL, an API's and a local one, in every form of parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

SCHEMA = """
CREATE ROLE reader LOGIN PASSWORD 'a secret of the source''s';
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int PRIMARY KEY, name text NOT NULL, region varchar(5), big int8);
INSERT INTO sales.customers SELECT n, (ARRAY['Zoe', 'zoe', 'a_b', 'Ärger', '100%'])[1 + n % 5] || n / 9,
    (ARRAY['eu', 'us', NULL])[1 + n % 3], n * 3000000000 FROM generate_series(1, 60) AS n;
CREATE TABLE sales.orders (id int PRIMARY KEY, customer_id int, total numeric(10, 2), placed date, open bool);
INSERT INTO sales.orders SELECT n, nullif(n % 70, 7), nullif(n % 11, 3) * 1.25, date '2026-01-01' + n % 30, n % 4 = 0
    FROM generate_series(1, 400) AS n;
CREATE INDEX ON sales.orders (customer_id);
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO reader;
ANALYZE;
"""
ISSUES = "SELECT number, comments, state, title FROM github.issues WHERE owner = 'acme' AND repo = 'web'"
COPIES = {"far.customers": "near.customers", "far.orders": "near.orders", "github.issues": "near.issues"}
"""What has the same rows in PostgreSQL itself."""

_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "far.customers": {"id": "int", "name": "text", "region": "text", "big": "int"},
    "far.orders": {"id": "int", "customer_id": "int", "total": "number", "placed": "day", "open": "bool"},
    f"({ISSUES})": {"number": "int", "comments": "int", "state": "text", "title": "text"},
    "near.words": {"id": "int", "word": "text"},
}
_FAR = tuple(name for name in _COLUMNS if name.startswith("far"))
_JOINS = ("JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
_LITERALS = {
    "int": ("0", "3", "7", "40", "3000000000"),
    "number": ("0", "2.5", "12.50"),
    "text": ("'eu'", "'Zoe1'", "'open'", "'Z'", "'10'"),
    "day": ("date '2026-01-05'", "date '2026-01-20'"),
    "bool": ("true",),
}


@dataclass(slots=True)
class Item:
    """What a FROM clause reads, by the alias it is given, and its columns with their kinds."""

    text: str
    alias: str
    columns: Mapping[str, str]

    def of(self, random: Random, *kinds: str) -> str | None:
        """Return a column of some kind, qualified, None where there is none."""
        found = [name for name, kind in self.columns.items() if not kinds or kind in kinds]
        return f"{self.alias}.{random.choice(found)}" if found else None


@dataclass(slots=True)
class Writer:
    """Writes one statement; every choice is by chance."""

    random: Random
    queries: list[str] = field(default_factory=list)
    aliases: int = 0

    def statement(self) -> str:
        """Write a statement whose rows do not depend on chance but for their order."""
        first = self.select(2)
        body = first
        if self.random.random() < 0.15:
            body = f"SELECT count(*), min(u.c0::text) FROM ({first} UNION ALL {first}) AS u"
        queries = f"WITH {', '.join(self.queries)} " if self.queries else ""
        return f"{queries}{body}"

    def select(self, depth: int) -> str:
        """Write a SELECT whose outputs are c0, c1 and so on."""
        items = [self.item(depth) for _ in range(self.random.choice((1, 2, 2, 3) if depth < 2 else (2, 2, 3, 4)))]
        text = f"{items[0].text} {items[0].alias}"
        for place, item in enumerate(items[1:], 1):
            text += self.joined(items[:place], item)
        tests = [test for _ in range(self.random.randint(0, 2)) if (test := self.test(items, depth))]
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return f"SELECT {self.outputs(items)[0]} FROM {text}{where}{self.outputs_after}"

    outputs_after: str = ""

    def outputs(self, items: list[Item]) -> tuple[str, dict[str, str]]:
        """Choose outputs, grouped or not; what follows WHERE is kept in `outputs_after`."""
        chosen = [column for _ in range(self.random.randint(1, 3)) if (column := self.any(items))]
        kinds = {f"c{place}": self.kind(column, items) for place, column in enumerate(chosen)}
        self.outputs_after = ""
        gathered: list[tuple[str, str]] = []
        if self.random.random() < 0.4:
            gathered = [self.gathered(items) for _ in range(self.random.randint(1, 2))]
            self.outputs_after = f" GROUP BY {', '.join(map(str, range(1, len(chosen) + 1)))}"
            if self.random.random() < 0.3:
                self.outputs_after += f" HAVING count(*) > {self.random.randint(0, 3)}"
        for place, (_, kind) in enumerate(gathered, len(chosen)):
            kinds[f"c{place}"] = kind
        texts = [f"{each} AS c{place}" for place, each in enumerate([*chosen, *(text for text, _ in gathered)])]
        distinct = "DISTINCT " if not gathered and self.random.random() < 0.2 else ""
        return distinct + ", ".join(texts), kinds

    def gathered(self, items: list[Item]) -> tuple[str, str]:
        item = self.random.choice(items)
        number, text = item.of(self.random, "int", "number"), item.of(self.random, "text", "day")
        choices = [("count(*)", "int")]
        if number is not None:
            choices += [
                (f"sum({number})", "number"),
                (f"max({number})", "number"),
                (f"avg({number})", "number"),
                (f"count(DISTINCT {number})", "int"),
            ]
        if text is not None:
            choices += [(f"min({text})", "text"), (f"count({text}) FILTER (WHERE {text} IS NOT NULL)", "int")]
        return self.random.choice(choices)

    def any(self, items: list[Item]) -> str | None:
        return self.random.choice(items).of(self.random)

    def kind(self, column: str, items: list[Item]) -> str:
        alias, _, name = column.partition(".")
        return next(item.columns[name] for item in items if item.alias == alias)

    def item(self, depth: int) -> Item:
        """Choose what to read: a table, mostly one of the external database, or a query."""
        self.aliases += 1
        alias = f"t{self.aliases}"
        if depth > 0 and self.random.random() < 0.35:
            text, columns = self.query(depth - 1)
            if self.random.random() < 0.4:
                self.queries.append(f"q{self.aliases} AS ({text})")
                return Item(f"q{self.aliases}", alias, columns)
            return Item(f"({text})", alias, columns)
        name = self.random.choice(_FAR) if self.random.random() < 0.55 else self.random.choice(list(_COLUMNS))
        return Item(name, alias, _COLUMNS[name])

    def query(self, depth: int) -> tuple[str, Mapping[str, str]]:
        """Write a query that is read by others: a SELECT, first rows of a table, or a set operation."""
        choice = self.random.random()
        if choice < 0.25:
            name = self.random.choice(_FAR)
            order = self.random.choice(("id", "id DESC"))
            listed = ", ".join(_COLUMNS[name])
            text = f"SELECT {listed} FROM {name} ORDER BY {order} LIMIT {self.random.randint(1, 50)}"
            return text, _COLUMNS[name]
        if choice < 0.4:
            operator = self.random.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
            return f"SELECT id FROM far.customers {operator} SELECT customer_id FROM far.orders", {"id": "int"}
        items = [self.item(0) for _ in range(self.random.choice((1, 2)))]
        text = f"{items[0].text} {items[0].alias}" + (self.joined(items[:1], items[1]) if len(items) > 1 else "")
        test = self.test(items, depth)
        outputs, columns = self.outputs(items)
        return f"SELECT {outputs} FROM {text}{f' WHERE {test}' if test else ''}{self.outputs_after}", columns

    def joined(self, before: list[Item], item: Item) -> str:
        """Join an item by an equality of numbers, or by any where it has none."""
        kind = self.random.choice(_JOINS)
        mine, other = item.of(self.random, "int"), self.random.choice(before).of(self.random, "int")
        if mine is None or other is None:
            # By all columns: of rows that an order leaves equal, any two would do.
            order = ", ".join(str(number + 1) for number in range(len(item.columns)))
            return (
                f" CROSS JOIN (SELECT * FROM {item.text} one ORDER BY {order} LIMIT 2) {item.alias}" if not mine else ""
            )
        more = ""
        if kind in ("JOIN", "LEFT JOIN") and self.random.random() < 0.3:
            more = f" AND {self.compared(item) or 'true'}"
        return f" {kind} {item.text} {item.alias} ON {mine} = {other}{more}"

    def compared(self, item: Item) -> str | None:
        column = item.of(self.random)
        if column is None:
            return None
        kind = item.columns[column.partition(".")[2]]
        literal = self.random.choice(_LITERALS[kind])
        operator = "=" if kind == "bool" else self.random.choice(("=", "<>", "<", ">="))
        plain = f"{column} {operator} {literal}"
        return self.random.choice(
            (plain, plain, f"{column} IS NULL", f"NOT ({plain})", f"({plain} OR {column} IS NULL)")
        )

    def test(self, items: list[Item], depth: int) -> str | None:
        """Write a condition on one item, perhaps with a subquery."""
        item = self.random.choice(items)
        number, choice = item.of(self.random, "int"), self.random.random()
        if number is None or depth < 1 or choice < 0.6:
            return self.compared(item)
        negated = self.random.choice(("", "NOT "))
        if choice < 0.75:
            far = self.random.choice(
                (
                    "SELECT customer_id FROM far.orders WHERE customer_id IS NOT NULL AND total > 5",
                    "SELECT max(id) FROM far.orders GROUP BY placed",
                    "SELECT id FROM near.words",
                )
            )
            return f"{number} {negated}IN ({far})"
        if choice < 0.9:
            return f"{negated}EXISTS (SELECT 1 FROM far.orders o WHERE o.customer_id = {number} AND o.open)"
        return f"{number} <= (SELECT max(o.customer_id) FROM far.orders o WHERE o.total < 8)"
