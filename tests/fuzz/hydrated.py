"""Random statements over pull requests, some of whose columns cost calls, and which of their rows the answer needs.

Needs no server. Which rows are needed is written as SQL of its own from the same parts, for PostgreSQL to answer over
copies of the tables; where a part looks at such a column itself, it is left out of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from plain_tables import HYDRATED, PlainTable
from pushed import conditions

PULLS = "github.pull_requests"
REPOSITORY = "owner = 'acme' AND repo = 'web'"
SHOWN = HYDRATED["pull_requests"]

# Partners of pull requests p: a table, what ties its rows b to them, and the condition that it cannot be read without.
PARTNERS = (
    ("github.issues", "b.owner = p.owner AND b.repo = p.repo AND b.number = p.number", REPOSITORY),
    (PULLS, "b.user_login = p.user_login AND b.number > p.number", REPOSITORY),
    ("github.org_members", "b.login = p.user_login", "org = 'acme'"),
    ("jira.issues", "b.key = split_part(p.title, ':', 1)", "true"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydrated:
    """A statement; its first `order` outputs are those that it is sorted by, and `whole` is it without its LIMIT.

    `needed` gives the numbers of pull requests p that have to be hydrated, empty where that is not told so simply.
    """

    text: str
    whole: str
    order: int = 0
    needed: str = ""


def hydrated_statements(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    """Write a statement that shows columns which cost calls."""
    shape = random.choice(_SHAPES)
    return shape(random, tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Conditions on p's other columns, and one on a column that costs calls or `true`."""

    listed: str
    costly: str

    @property
    def both(self) -> str:
        return f"{self.listed} AND {self.costly}"


def _parts(random: Random, table: PlainTable) -> _Parts:
    costly = random.choice(("true", "true", "true", "p.additions > 20", "NOT p.merged", "p.mergeable IS NULL"))
    return _Parts(listed=f"{_own('p', REPOSITORY)} AND {_plain_conditions(random, table, 'p')}", costly=costly)


def _plain_conditions(random: Random, table: PlainTable, alias: str) -> str:
    listed = {name: column for name, column in table.columns.items() if name not in SHOWN}
    bare = PlainTable(
        name=table.name, required=table.required, identity=table.identity, driving=table.driving, columns=listed
    )
    return conditions(random, bare, alias) if random.random() < 0.7 else "true"


def _own(alias: str, required: str) -> str:
    return "true" if required == "true" else " AND ".join(f"{alias}.{part}" for part in required.split(" AND "))


def _shown(random: Random) -> str:
    return ", ".join(f"p.{name}" for name in random.sample(SHOWN, k=random.randint(1, 3)))


def _ending(random: Random, source: str, where: _Parts, needed: str, outputs: str) -> Hydrated:
    """Sort and cut a statement, or group it, or leave it as it is."""
    ending = random.choice(("rows", "rows", "first", "first", "first costly", "grouped", "distinct"))
    body = f"{source} WHERE {where.both}"
    if ending == "grouped":
        column = random.choice(("p.state", "p.user_login"))
        text = f"SELECT {column}, count(*), sum(p.additions), max(p.commits) {body} GROUP BY {column}"
        return Hydrated(text=text, whole=text, needed=needed)
    if ending == "distinct":
        text = f"SELECT DISTINCT p.state, {outputs} {body}"
        return Hydrated(text=text, whole=text, needed=needed)
    if ending == "rows":
        text = f"SELECT p.number, {outputs} {body}"
        return Hydrated(text=text, whole=text, needed=needed)
    keys = random.sample(("title", "updated_at", "merged_at", "user_login", "head_ref"), k=random.randint(0, 2))
    order = [f"p.{key}{random.choice(('', ' DESC', ' DESC NULLS LAST', ' NULLS FIRST'))}" for key in keys]
    if ending == "first costly":
        order.insert(random.randint(0, len(order)), f"p.additions{random.choice(('', ' DESC'))}")
        keys = [part.split()[0].removeprefix("p.") for part in order]
    else:
        order.append("p.number")
        keys = [*keys, "number"]
    count = random.randint(0, 9)
    skipped = random.choice((0, 0, 0, 2))
    listed = ", ".join(f"p.{key}" for key in keys)
    whole = f"SELECT {listed}, {outputs} {body}"
    text = f"{whole} ORDER BY {', '.join(order)} LIMIT {count}" + (f" OFFSET {skipped}" if skipped else "")
    if ending == "first" and where.costly == "true" and needed:
        # One pull request may be in several rows.
        first = f"SELECT p.number {body} ORDER BY {', '.join(order)} LIMIT {count + skipped}"
        return Hydrated(text=text, whole=whole, order=len(keys), needed=f"SELECT DISTINCT number FROM ({first}) AS f")
    return Hydrated(text=text, whole=whole, order=len(keys), needed="" if ending == "first costly" else needed)


def _alone(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    where = _parts(random, tables[PULLS])
    needed = f"SELECT DISTINCT p.number FROM {PULLS} p WHERE {where.listed}"
    return _ending(random, f"FROM {PULLS} p", where, needed, _shown(random))


def _derived(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    where = _parts(random, tables[PULLS])
    inner = f"SELECT * FROM {PULLS} WHERE {REPOSITORY}"
    needed = f"SELECT DISTINCT p.number FROM {PULLS} p WHERE {where.listed}"
    return _ending(random, f"FROM ({inner}) AS p", where, needed, _shown(random))


def _joined(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    name, on, required = random.choice(PARTNERS)
    where = _parts(random, tables[PULLS])
    other = f"{_own('b', required)} AND {_plain_conditions(random, tables[name], 'b')}"
    outputs = f"b.{tables[name].identity[0]}, {_shown(random)}"
    # Two tables then have rows to be hydrated.
    is_told = name != PULLS or random.random() < 0.5
    outputs += "" if is_told else ", b.deletions"
    side = random.choice(("JOIN", "JOIN", "LEFT JOIN", "nullable", "FULL JOIN"))
    if side == "nullable":
        source = f"FROM {name} b LEFT JOIN {PULLS} p ON {on} AND {where.listed} AND {where.costly}"
        met = f"FROM {name} b JOIN {PULLS} p ON {on} AND {where.listed} WHERE {other}"
        outer = random.choice((other, f"{other} AND p.number IS NULL", f"{other} AND p.draft IS NOT TRUE"))
        text = f"SELECT b.{tables[name].identity[0]}, p.number, {outputs} {source} WHERE {outer}"
        return Hydrated(text=text, whole=text, needed=f"SELECT DISTINCT p.number {met}" if is_told else "")
    if side == "FULL JOIN":
        source = f"FROM (SELECT * FROM {PULLS} p WHERE {where.listed}) AS p FULL JOIN {name} b ON {on}"
        # PostgreSQL joins in full where it can merge or hash alone.
        if name == PULLS:
            source = source.replace(" AND b.number > p.number", "")
        text = f"SELECT p.number, {outputs} {source} WHERE {other} AND {where.costly}"
        return Hydrated(text=text, whole=text)
    if side == "LEFT JOIN":
        source = f"FROM {PULLS} p LEFT JOIN {name} b ON {on} AND {other}"
        if random.random() < 0.4:
            where = _Parts(listed=f"{where.listed} AND b.{tables[name].identity[0]} IS NULL", costly=where.costly)
    else:
        source = f"FROM {PULLS} p JOIN {name} b ON {on}"
        where = _Parts(listed=f"{where.listed} AND {other}", costly=where.costly)
    needed = f"SELECT DISTINCT p.number {source} WHERE {where.listed}" if is_told else ""
    return _ending(random, source, where, needed, outputs)


def _chosen(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    """Choose pull requests by a subquery over another table."""
    name, on, required = random.choice(PARTNERS)
    where = _parts(random, tables[PULLS])
    other = f"{_own('b', required)} AND {_plain_conditions(random, tables[name], 'b')}"
    negation = random.choice(("", "NOT "))
    chosen = f"{negation}EXISTS (SELECT 1 FROM {name} b WHERE {on} AND {other})"
    where = _Parts(listed=f"{where.listed} AND {chosen}", costly=where.costly)
    needed = f"SELECT DISTINCT p.number FROM {PULLS} p WHERE {where.listed}"
    return _ending(random, f"FROM {PULLS} p", where, needed, _shown(random))


def _choosing(random: Random, tables: Mapping[str, PlainTable]) -> Hydrated:
    """Choose rows of another table by a subquery over pull requests, or show one of theirs beside each."""
    name, on, required = random.choice(PARTNERS)
    where = _parts(random, tables[PULLS])
    other = f"{_own('b', required)} AND {_plain_conditions(random, tables[name], 'b')}"
    identity = ", ".join(f"b.{column}" for column in tables[name].identity)
    costly = where.costly if where.costly != "true" else "p.additions > 10"
    form = random.choice(("exists", "exists", "in", "shown", "shown", "lateral", "every", "two"))
    needed = ""
    met = f"SELECT DISTINCT p.number FROM {PULLS} p WHERE {where.listed}"
    met += f" AND EXISTS (SELECT 1 FROM {name} b WHERE {on} AND {other})"
    if form == "exists":
        negation = random.choice(("", "NOT "))
        inner = f"{negation}EXISTS (SELECT 1 FROM {PULLS} p WHERE {on} AND {where.listed} AND {costly})"
        text, needed = f"SELECT {identity} FROM {name} b WHERE {other} AND {inner}", met
    elif form == "in":
        negation = random.choice(("", "NOT "))
        column = "key" if name == "jira.issues" else "login" if name == "github.org_members" else "number"
        mine = {"key": "split_part(p.title, ':', 1)", "login": "p.user_login", "number": "p.number"}[column]
        inner = f"b.{column} {negation}IN (SELECT {mine} FROM {PULLS} p WHERE {where.listed} AND {costly})"
        text = f"SELECT {identity} FROM {name} b WHERE {other} AND {inner}"
    elif form == "shown":
        inner = f"SELECT max(p.additions) FROM {PULLS} p WHERE {on} AND {where.listed} AND {costly}"
        text, needed = f"SELECT {identity}, ({inner}) FROM {name} b WHERE {other}", met
    elif form == "lateral":
        inner = f"SELECT p.number, p.additions FROM {PULLS} p WHERE {on} AND {where.listed} AND {costly}"
        text = f"SELECT {identity}, l.number, l.additions FROM {name} b, LATERAL ({inner}) AS l WHERE {other}"
    elif form == "every":
        inner = f"SELECT p.number, p.additions FROM {PULLS} p WHERE {where.listed} ORDER BY p.number LIMIT 6"
        text = (
            f"WITH f AS ({inner}) SELECT f.number, f.additions, g.additions FROM f JOIN f AS g ON g.number <= f.number"
        )
    else:
        one = f"SELECT p.number, p.additions FROM {PULLS} p WHERE {where.listed} AND {costly}"
        two = f"SELECT p.number, p.deletions FROM {PULLS} p WHERE {_own('p', REPOSITORY)} AND p.draft"
        text = f"{one} {random.choice(('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT'))} {two}"
    return Hydrated(text=text, whole=text, needed=needed)


_SHAPES: tuple[Callable[[Random, Mapping[str, PlainTable]], Hydrated], ...] = (
    _alone, _derived, _joined, _joined, _joined, _chosen, _chosen, _choosing, _choosing,
)  # fmt: skip
