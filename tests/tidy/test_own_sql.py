"""Our own SQL on a user's backend: constant, and qualified so that nothing a user creates can answer in its place.

The statements are found by rule: whatever the packages pass to `Ask`, the one way to run something of ours there.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from typing import Any

import postgast
import pytest
from sources import modules

from catalog.snapshot import SEQUENCE_SQL
from omnisql_server.session.presence import SLEEP

TRUSTED = ("pg_catalog", "omnisql_catalog")
FOLDING = {"fold_sql(_constants_of(guess.folded, parsed), ())", "sql"}
"""The one text that is made at run time, in bind: expressions of the user's own statement, which mean what they mean
to the user; what is put around them is looked at below."""


def asked() -> Iterator[tuple[str, str, str]]:
    """Give every text that an `Ask` is made of: the module's path, how the text is written there, and its module."""
    for path, tree in modules("omnisql_server").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Ask":
                (written,) = [word.value for word in node.keywords if word.arg == "sql"]
                yield path, ast.unparse(written), path.removesuffix(".py").replace("/", ".")


def text_of(written: str, module: str) -> str:
    """Return the text behind a literal or the name of a constant."""
    if written[0] in "'\"":
        return str(ast.literal_eval(written))
    value: Any = importlib.import_module(module)
    for name in written.split("."):
        value = getattr(value, name)
    assert written.rpartition(".")[2].isupper(), f"{module}: {written} is no constant"
    assert isinstance(value, str)
    return value


CONSTANTS = {
    f"{module}: {written}": text_of(written, module)
    for path, written, module in asked()
    if not (path == "omnisql_server/bind/bind.py" and written in FOLDING)
} | {"catalog.snapshot: SEQUENCE_SQL": SEQUENCE_SQL}


def unqualified(sql: str) -> list[str]:
    """List what PostgreSQL would look for along the search_path."""
    found: list[str] = []

    def visit(node: Any, names: frozenset[str]) -> None:
        for common in node.with_clause.ctes if "with_clause" in node.DESCRIPTOR.fields_by_name else ():
            names |= {common.common_table_expr.ctename}
        found.extend(_unqualified(node, names))
        for descriptor, value in node.ListFields():
            if descriptor.message_type is not None:
                for child in value if descriptor.is_repeated else (value,):
                    visit(child, names)

    for statement in postgast.parse(sql).stmts:
        visit(statement, frozenset())
    return found


def _unqualified(node: Any, names: frozenset[str]) -> Iterator[str]:
    match node.DESCRIPTOR.name:
        case "RangeVar" if node.schemaname not in TRUSTED and node.relname not in names:
            yield f"relation {node.relname}"
        case "FuncCall":
            yield from _foreign("function", node.funcname)
        case "TypeName":
            yield from _foreign("type", node.names)
        case "A_Expr":
            yield from _foreign("operator", node.name)
        case "SubLink" if len(node.oper_name):
            yield from _foreign("operator", node.oper_name)
        case "SortBy" if len(node.use_op):
            yield from _foreign("operator", node.use_op)
        case "JoinExpr" if len(node.using_clause) or node.is_natural:
            yield "operator = of a join by names of columns"
        case "CaseExpr" if node.HasField("arg"):
            yield "operator = of CASE with an operand"


def _foreign(kind: str, name: Any) -> Iterator[str]:
    parts = [part.string.sval for part in name]
    if len(parts) < 2 or parts[0] not in TRUSTED:
        yield f"{kind} {'.'.join(parts)}"


def test_the_rule_finds_what_is_asked() -> None:
    names = {name.rpartition(".")[2].rpartition(" ")[2] for name in CONSTANTS}
    assert {"STATE", "LOCKED", "RESOLVE", "DETAIL", "PRIVILEGES", "VISIBLE", "EVIDENCE", "ENCODING"} <= names


@pytest.mark.parametrize("name", CONSTANTS)
def test_everything_we_ask_is_qualified(name: str) -> None:
    assert unqualified(CONSTANTS[name]) == []


def test_the_one_block_we_execute_is_qualified() -> None:
    expressions = re.findall(r"(?s)PERFORM (.*?);|IF (.*?) THEN", SLEEP)
    assert len(expressions) == 2
    for expression in expressions:
        assert unqualified("SELECT " + "".join(expression)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM pg_class",
        "SELECT 1 FROM public.pg_class",
        "SELECT current_setting('a')",
        "SELECT public.current_setting('a')",
        "SELECT 1 = 2",
        "SELECT 1 OPERATOR(public.=) 2",
        "SELECT 1 IN (1, 2)",
        "SELECT 'a' LIKE 'b'",
        "SELECT 1 BETWEEN 0 AND 2",
        "SELECT NULLIF(1, 2)",
        "SELECT 1 = ANY (ARRAY[1])",
        "SELECT 1 IS DISTINCT FROM 2",
        "SELECT 'pg_class'::regclass",
        "SELECT CASE 1 WHEN 1 THEN 2 END",
        "SELECT 1 FROM pg_catalog.pg_class AS a JOIN pg_catalog.pg_class AS b USING (oid)",
        "SELECT 1 FROM pg_catalog.pg_class AS a NATURAL JOIN pg_catalog.pg_class AS b",
        "SELECT 1 WHERE 1 = (SELECT 2)",
        "SELECT 1 WHERE 1 = ANY (SELECT 2)",
        "SELECT 1 FROM pg_catalog.pg_class AS a ORDER BY a.oid USING <",
        "WITH a AS (SELECT 1) SELECT 1 FROM a, b",
    ],
)
def test_the_rule_notices_what_is_not_qualified(sql: str) -> None:
    assert len(unqualified(sql)) == 1
