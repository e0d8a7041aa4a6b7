"""A query as a sqlglot tree, only where that tree means the same. Pure; cached by text.

sqlglot 30 changes the meaning of some legal SQL (`1_000`, `0x1F`, `U&"a"`) and refuses other. So its tree is trusted
only if PostgreSQL's grammar reads the same parse tree from sqlglot's rendering as from the text itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError, TokenError

from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.statement import RelationReference, Statement, StatementKind
from omnisql_server.parse.canonical import canonical
from omnisql_server.parse.grammar import NotParsed, parse_statements
from omnisql_server.parse.reading import reading_query
from omnisql_server.parse.scopes import read_scopes
from omnisql_server.parse.tokens import tokens_of
from omnisql_server.parse.within import query_within

_INSEPARABLE = "its query cannot be told apart from what it writes"
_UNREADABLE = (SqlglotError, NotParsed, RecursionError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What says that a text is not covered: sqlglot fails by the others on grammatical texts, as on `date_part('', x)`."""
_PARAMETER = re.compile(rb"\$\d+")


@lru_cache(maxsize=1024)
def parse_query(text: str) -> ParsedQuery:
    """Parse one query; `tree` is None with a `reason` where only PostgreSQL itself can be trusted with the text.

    Raises:
        NotParsed: the text is not one grammatical statement.
    """
    statements = parse_statements(text)
    if len(statements) != 1:
        raise NotParsed("not one statement", None)
    statement = statements[0]
    tree_text, position = query_within(statement)
    if any(not position <= each.position < position + len(tree_text.encode()) for each in _read(statement)):
        # RETURNING or ON CONFLICT reads, too.
        tree_text, position = "", 0
    deferred = tree_text if statement.creates or statement.kind is StatementKind.CURSOR else ""
    written = not tree_text and statement.kind is StatementKind.WRITE and not statement.creates
    if written:
        tree_text, position = statement.text, 0
    tree, reason = _tree(tree_text) if tree_text else (None, _INSEPARABLE)
    if written and tree is not None:
        tree = reading_query(tree)
        reason = "" if tree is not None else _INSEPARABLE
    return ParsedQuery(
        text=statement.text,
        references=statement.references,
        named_columns=statement.named_columns,
        tree=tree,
        reason=reason,
        tree_text=tree_text,
        tree_position=position,
        deferred_text=deferred,
        written=written,
        locking=statement.locking,
        scopes=read_scopes(statement.text),
    )


def _read(statement: Statement) -> tuple[RelationReference, ...]:
    return tuple(each for each in statement.references if not each.target)


def _tree(text: str) -> tuple[exp.Expr | None, str]:
    try:
        tree = _parsed(text)
        _read_arrows(tree)
        _forget_places(tree)
        # What is written is a copy already.
        rendered = tree.transform(_plain).sql("postgres", copy=False, unsupported_level=ErrorLevel.RAISE)
        same = canonical(text) == canonical(rendered)
    except _UNREADABLE as error:
        return None, f"the planner's grammar does not cover this text ({type(error).__name__})"
    if not same:
        return None, "the planner's tree would not mean the same"
    _fold_case(tree)
    return tree, ""


def _parsed(text: str) -> exp.Expr:
    try:
        return sqlglot.parse_one(text, read="postgres", error_level=ErrorLevel.RAISE)
    except TokenError:
        # `$2,$3` is taken for the start of a dollar-quoted string; `@` stands for parameters too and moves nothing.
        body = bytearray(text.encode())
        for token, start, _ in tokens_of(bytes(body)):
            if _PARAMETER.fullmatch(token):
                body[start : start + 1] = b"@"
        return sqlglot.parse_one(body.decode(), read="postgres", error_level=ErrorLevel.RAISE)


def _read_arrows(tree: exp.Expr) -> None:
    """Take a name and a constant joined by `->` between arguments for what they are; sqlglot makes them a lambda."""
    for arrow in list(tree.find_all(exp.Lambda)):
        if len(arrow.expressions) == 1 and isinstance(arrow.this, exp.Literal):
            path = parse_one_step(arrow.this)
            column = exp.Column(this=arrow.expressions[0].copy())
            arrow.replace(exp.JSONExtract(this=column, expression=path, only_json_types=True))


def parse_one_step(step: exp.Literal) -> exp.JSONPath:
    """Give a field's name or an element's place as a path of one step."""
    last = exp.JSONPathKey(this=step.name) if step.is_string else exp.JSONPathSubscript(this=int(step.name))
    return exp.JSONPath(expressions=[exp.JSONPathRoot(), last])


def _fold_case(tree: exp.Expr) -> None:
    """Write every name as PostgreSQL knows it: only the ASCII letters of an unquoted name become lower case."""
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.quoted:
            identifier.set("this", identifier.name.encode().lower().decode())
            identifier.set("quoted", True)


def _forget_places(tree: exp.Expr) -> None:
    """Forget where names stand in the text, but for tables: each copy of a tree would copy it."""
    for identifier in tree.find_all(exp.Identifier):
        if not isinstance(identifier.parent, exp.Table):
            identifier._meta = None


def _plain(node: exp.Expr) -> exp.Expr:
    """Keep sqlglot from writing round(x, n) with a cast of x that is not in the tree, and to_hex by another name."""
    if isinstance(node, exp.Round):
        arguments = [node.this, node.args.get("decimals")]
        return exp.Anonymous(this="ROUND", expressions=[argument for argument in arguments if argument is not None])
    if isinstance(node, exp.Hex):
        return exp.Anonymous(this="TO_HEX", expressions=[node.this])
    return node
