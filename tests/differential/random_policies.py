"""Random policy documents for the arena's tables, and what they show, worked out row by row beside the server."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any

import pyarrow as pa
from arena_rows import COLUMNS, POOLS, TEXTS
from hypothesis import strategies as st

from catalog.types import BY_SQL_NAME

SALT = b"of the arena"
USER = "eve"
CONNECTOR = "arena"
Document = dict[str, Any]
Row = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
ORDERED = ("equals", "not_equals", "less_than", "at_most", "greater_than", "at_least")
INTEGERS = {"int2": 16, "int4": 32, "int8": 64}
TEXT_PARTS = ("starts_with", "ends_with", "contains")
ATTRIBUTES = ("teams", "numbers")


@st.composite
def attributes(draw: Draw) -> dict[str, tuple[str, ...]]:
    """Give a principal texts and numbers, some of which no row has."""
    held: dict[str, tuple[str, ...]] = {}
    if draw(st.booleans()):
        held["teams"] = tuple(draw(st.lists(st.sampled_from((*TEXTS, "nowhere")), min_size=1, max_size=4)))
    if draw(st.booleans()):
        held["numbers"] = tuple(draw(st.lists(st.sampled_from(("0", "1", "2", "42", "99")), min_size=1, max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        held[draw(st.sampled_from(ATTRIBUTES))] = ("*",)
    return held


@st.composite
def policies(draw: Draw) -> Document:
    """Write a policy document with a few filters and masks for each table."""
    filters, masks = [], []
    for table, columns in COLUMNS.items():
        for number in range(draw(st.sampled_from((0, 1, 1, 2)))):
            rule = {"name": f"{table} {number}", "tables": [f"{CONNECTOR}.{table}"]}
            filters.append({**rule, "rows": draw(trees(columns, 0))})
        for name in draw(st.lists(st.sampled_from(sorted(columns)), max_size=3, unique=True)):
            mask = draw(mask_of(columns[name]))
            masks.append({"name": name, "tables": [f"{CONNECTOR}.{table}"], "column": name, "mask": mask})
    return {"version": 1, "row_filters": filters, "masks": masks}


@st.composite
def trees(draw: Draw, columns: Mapping[str, str], depth: int) -> Document:
    """Write a condition."""
    form = draw(st.sampled_from(("leaf", "leaf", "all", "any", "any", "not"))) if depth < 3 else "leaf"
    if form == "leaf":
        leaf: Document = draw(leaves(columns))
        return leaf
    if form == "not":
        return {"not": draw(trees(columns, depth + 1))}
    return {form: [draw(trees(columns, depth + 1)) for _ in range(draw(st.integers(1, 3)))]}


@st.composite
def leaves(draw: Draw, columns: Mapping[str, str]) -> Document:
    """Write a comparison that the column's type knows."""
    column = draw(st.sampled_from(sorted(columns)))
    kind = columns[column]
    if kind == "jsonb" or draw(st.integers(0, 9)) == 0:
        return {"column": column, "exists": draw(st.booleans())}
    if kind == "text[]":
        return {"column": column, "contains": draw(st.sampled_from(("a", "bug", "x,y", '"q"', "NULL", "none")))}
    if kind == "bool":
        return {"column": column, draw(st.sampled_from(("equals", "not_equals"))): draw(st.booleans())}
    texts = kind in ("text", "varchar")
    of = "teams" if texts else "numbers" if kind in INTEGERS or kind == "numeric" else None
    if of is not None and draw(st.integers(0, 3)) == 0:
        operators = ("in", "not_in", "equals", "not_equals", *(("starts_with", "contains") if texts else ()))
        return {"column": column, draw(st.sampled_from(operators)): {"attribute": of}}
    values = st.sampled_from([literal(v) for v in POOLS[kind] if not isinstance(v, float) or math.isfinite(v)])
    if kind == "numeric":
        values = st.sampled_from(["0", "1.5", "42", -3.14159, 100000000000000000000])
    operator = draw(
        st.sampled_from((*ORDERED, "in", "not_in", *(("starts_with", "ends_with", "contains") if texts else ())))
    )
    if operator in ("in", "not_in"):
        return {"column": column, operator: draw(st.lists(values, min_size=1, max_size=4))}
    return {"column": column, operator: draw(values)}


def literal(value: Any) -> Any:
    """Write a value as a policy file has it."""
    return value.isoformat() if isinstance(value, datetime) else value


@st.composite
def mask_of(draw: Draw, kind: str) -> Any:
    """Write a mask, not always one that the type knows."""
    chosen = draw(st.sampled_from(("null", "redact", "hash", "partial", "truncate_date", "bucket", "const")))
    if chosen == "partial":
        return {"kind": chosen, "first": draw(st.integers(0, 3)), "last": draw(st.integers(0, 3)), "character": "x"}
    if chosen == "truncate_date":
        return {"kind": chosen, "unit": draw(st.sampled_from(("year", "quarter", "month", "week", "day")))}
    if chosen == "bucket":
        return {"kind": chosen, "width": draw(st.sampled_from((1, 7, 1000, 0.5)))}
    if chosen == "const":
        pool = [v for v in POOLS[kind] if kind not in ("text[]", "jsonb") and v == v and v not in (math.inf, -math.inf)]
        values = [v for v in map(literal, pool) if kind != "numeric" or v != "NaN"]
        return {"kind": chosen, "value": draw(st.sampled_from(values))} if values else "null"
    return chosen


def shown(table: str, rows: pa.Table, document: Document, held: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """Return a table with the rows and values that a policy leaves."""
    kinds = COLUMNS[table]
    found = rows.to_pylist()
    for rule in document["row_filters"]:
        if rule["tables"] == [f"{CONNECTOR}.{table}"]:
            found = [row for row in found if holds(rule["rows"], row, kinds, held) is True]
    for rule in document["masks"]:
        if rule["tables"] == [f"{CONNECTOR}.{table}"]:
            name, mask = rule["column"], rule["mask"]
            given = mask if isinstance(mask, dict) else {"kind": mask}
            found = [{**row, name: masked(row[name], kinds[name], given)} for row in found]
    types = {name: BY_SQL_NAME[kind].arrow for name, kind in kinds.items()}
    return pa.table({name: pa.array([row[name] for row in found], of) for name, of in types.items()})


def holds(tree: Document, row: Row, kinds: Mapping[str, str], held: Mapping[str, tuple[str, ...]]) -> bool | None:
    """Say whether a condition is true, false or unknown (None) for a row."""
    if "not" in tree:
        inner = holds(tree["not"], row, kinds, held)
        return None if inner is None else not inner
    for word, decisive in (("all", False), ("any", True)):
        if word in tree:
            truths = [holds(part, row, kinds, held) for part in tree[word]]
            return decisive if decisive in truths else None if None in truths else not decisive
    ((operator, compared),) = [(key, value) for key, value in tree.items() if key != "column"]
    value, kind = row[tree["column"]], kinds[tree["column"]]
    if isinstance(compared, dict):
        texts = held.get(compared["attribute"], ())
        negated = operator in ("not_in", "not_equals")
        if "*" in texts:
            return not negated
        if not texts:
            return None
        operator = {"equals": "in", "not_equals": "not_in"}.get(operator, operator)
        compared = list(texts)
    if operator == "exists":
        return (value is not None) is compared
    return None if value is None else compares(operator, value, compared, kind)


def compares(operator: str, value: Any, compared: Any, kind: str) -> bool:
    """Compare a value that is there."""
    if kind == "text[]":
        return compared in value
    left = ordered(value, kind)
    several = [ordered(read(each, kind), kind) for each in (compared if isinstance(compared, list) else [compared])]
    if operator in ("in", "not_in"):
        return (left in several) is (operator == "in")
    if operator in ("starts_with", "ends_with", "contains"):
        texts = [text for _, text in several]
        tests = {"starts_with": value.startswith, "ends_with": value.endswith, "contains": value.__contains__}
        return any(tests[operator](text) for text in texts)
    right = several[0]
    return {
        "equals": left == right,
        "not_equals": left != right,
        "less_than": left < right,
        "at_most": left <= right,
        "greater_than": left > right,
        "at_least": left >= right,
    }[operator]


def ordered(value: Any, kind: str) -> tuple[bool, Any]:
    """Give a value a place in PostgreSQL's order: NaN is equal to itself and above all others."""
    number = Decimal(value) if kind == "numeric" else value
    if isinstance(number, float | Decimal) and number != number:
        return (True, 0)
    return (False, number)


def read(text: Any, kind: str) -> Any:
    """Read a policy's literal as a value of a type."""
    if kind in INTEGERS:
        return int(text)
    if kind == "numeric":
        return str(text)
    if kind == "date":
        return text if isinstance(text, date) else date.fromisoformat(text)
    if kind in ("timestamptz", "timestamp"):
        return datetime.fromisoformat(text)
    return text


def masked(value: Any, kind: str, mask: Document) -> Any:
    """Show a value as a mask does."""
    chosen = mask["kind"]
    if chosen == "const":
        return read(mask["value"], kind)
    if value is None or chosen == "null":
        return None
    if chosen == "truncate_date" and kind in ("date", "timestamp", "timestamptz"):
        return truncated(value, mask["unit"])
    if chosen == "hash" and kind in ("text", "varchar", "int8"):
        code = hmac.new(SALT, str(value).encode(), hashlib.sha256)
        return code.hexdigest() if kind != "int8" else int(code.hexdigest()[:16], 16) // 2
    if chosen == "bucket":
        return rounded(value, kind, mask["width"])
    if kind not in ("text", "varchar"):
        return None
    if chosen == "redact":
        return "***"
    if chosen == "partial":
        first, last = mask["first"], mask["last"]
        seen = [place < first or place >= len(value) - last for place in range(len(value))]
        whole = first + last >= len(value)
        return "".join("x" if whole or not known else sign for sign, known in zip(value, seen, strict=True))
    return None


def truncated(value: Any, unit: str) -> Any:
    """Return the beginning of a period, in UTC."""
    if isinstance(value, datetime):
        day = value.astimezone(UTC) if value.tzinfo is not None else value
        first = truncated(day.date(), unit)
        return datetime(first.year, first.month, first.day, tzinfo=value.tzinfo and UTC)
    if unit == "week":
        return value - timedelta(days=value.weekday())
    first_month = {"year": 1, "quarter": (value.month - 1) // 3 * 3 + 1}.get(unit, value.month)
    return date(value.year, first_month, value.day if unit == "day" else 1)


def rounded(value: Any, kind: str, width: float) -> Any:
    """Round a number down to a multiple of a width."""
    if kind in INTEGERS:
        if width != int(width):
            return None
        found = value - value % int(width)
        return found if found >= -(2 ** (INTEGERS[kind] - 1)) else None
    if kind == "float8":
        return math.floor(value / width) * float(width) if math.isfinite(value / width) else None
    if kind == "numeric" and Decimal(value).is_finite():
        with localcontext() as context:
            context.prec = 200
            whole = (Decimal(value) / Decimal(str(width))).to_integral_value(ROUND_FLOOR)
            return format(whole * Decimal(str(width)), "f")
    return None
