"""Statements and queries by their shape: the text's shape is parsed once, its positions are moved to each text. Pure.

What comes out is what parsing the text itself gives, but for the query's tree: that has marks in the place of values,
which stand beside it. Texts without a shape are parsed as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from sqlglot import exp

from omnisql_server.model.literals import Shape
from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.scope import ColumnUse, NaturalJoin, QueryLevel, QueryScopes, Scope, Source
from omnisql_server.model.statement import RelationReference, Statement, StatementKind
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.shape import shape_of
from omnisql_server.parse.tree import parse_query

_KINDS = frozenset({StatementKind.SELECT, StatementKind.EXPLAIN, StatementKind.COPY_TO})
_known_statements = lru_cache(maxsize=4096)(parse_statements)


@lru_cache(maxsize=4096)
def statements_of(text: str) -> tuple[Statement, ...]:
    """Parse every statement of a message as `parse_statements` does.

    Raises:
        NotParsed: the text is not grammatical.
    """
    shape = shape_of(text)
    known = _known_statements(shape.text) if shape is not None else ()
    if shape is None or len(known) != 1 or known[0].kind not in _KINDS:
        return parse_statements(text)
    return (_statement(known[0], shape, text),)


@lru_cache(maxsize=1024)
def shaped_query(text: str) -> ParsedQuery:
    """Parse one query as `parse_query` does, once for all texts of its shape.

    Raises:
        NotParsed: the text is not one grammatical statement.
    """
    shape = shape_of(text)
    if shape is None:
        return parse_query(text)
    known = parse_query(shape.text)
    if known.tree is None or known.text != known.tree_text or known.text != shape.text or not _has_marks(known, shape):
        return parse_query(text)
    return replace(
        known,
        text=text,
        tree_text=text,
        references=_references(known.references, shape, 0),
        scopes=_Moved(shape.place).scopes(known.scopes) if _last_place(shape.text) >= shape.ends[0] else known.scopes,
        shape=known,
        literals=shape.literals,
    )


def _has_marks(parsed: ParsedQuery, shape: Shape) -> bool:
    """Say whether every mark stands in the tree once, as what it is."""
    found = _counted(parsed.text)
    return all(found[literal.mark, literal.is_string] == 1 for literal in shape.literals)


@lru_cache(maxsize=1024)
def _counted(shape_text: str) -> Counter[tuple[str, bool]]:
    """Count the literals of a shape's tree."""
    tree = parse_query(shape_text).tree
    literals = tree.find_all(exp.Literal) if tree is not None else ()
    return Counter((literal.name, bool(literal.is_string)) for literal in literals)


@lru_cache(maxsize=1024)
def _last_place(shape_text: str) -> int:
    """Return the last position that scopes of a shape have, -1 where they have none: before any mark, none moves."""
    places = [-1]

    def seen(place: int) -> int:
        places.append(place)
        return place

    _Moved(seen).scopes(parse_query(shape_text).scopes)
    return max(places)


def _statement(known: Statement, shape: Shape, text: str) -> Statement:
    """Move the statement of a shape into a text; before its query and after it, both are alike."""
    start = len(shape.text[: known.offset].encode())
    behind = len(shape.text.encode()) - start - len(known.text.encode())
    whole = text.encode()
    body = whole[start : len(whole) - behind]
    tail = len(known.text.encode()) - known.query_position - len(known.query.encode())
    first = known.parameter
    return replace(
        known,
        text=body.decode(),
        query=body[known.query_position : len(body) - tail].decode(),
        references=_references(known.references, shape, start),
        parameter=(shape.place(first[0] + start) - start, first[1]) if first is not None else None,
    )


def _references(known: tuple[RelationReference, ...], shape: Shape, start: int) -> tuple[RelationReference, ...]:
    return tuple(
        replace(reference, position=shape.place(reference.position + start) - start)
        if reference.position + start > shape.ends[0]
        else reference
        for reference in known
    )


class _Moved:
    """Moves scopes; each source is moved once, however many uses see it.

    Sources are told apart by what they are in memory, where the query that is moved keeps them.
    """

    def __init__(self, place: Callable[[int], int]) -> None:
        self._place = place
        self._sources: dict[int, Source] = {}

    def scopes(self, known: QueryScopes) -> QueryScopes:
        uses = tuple(self._use(use) for use in known.uses)
        return QueryScopes(top=self._level(known.top), uses=uses, aliases=known.aliases)

    def _level(self, level: QueryLevel) -> QueryLevel:
        return QueryLevel(
            reads=tuple(map(self._place, level.reads)),
            inside=tuple(
                self._level(item) if isinstance(item, QueryLevel) else self._place(item) for item in level.inside
            ),
        )

    def _use(self, use: ColumnUse | NaturalJoin) -> ColumnUse | NaturalJoin:
        if isinstance(use, NaturalJoin):
            return NaturalJoin(left=self._scope(use.left), right=self._scope(use.right))
        return ColumnUse(
            name=use.name,
            scopes=tuple(map(self._scope, use.scopes)),
            rows=tuple(map(self._place, use.rows)),
            optional=use.optional,
        )

    def _scope(self, scope: Scope) -> Scope:
        return tuple(map(self._source, scope))

    def _source(self, source: Source) -> Source:
        moved = self._sources.get(id(source))
        if moved is None:
            place = self._place
            outputs = source.outputs
            moved = self._sources[id(source)] = replace(
                source,
                position=place(source.position) if source.position is not None else None,
                outputs=tuple(place(item) if isinstance(item, int) else item for item in outputs)
                if outputs is not None
                else None,
            )
        return moved
