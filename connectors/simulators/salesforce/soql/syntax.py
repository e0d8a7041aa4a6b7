"""Tokens to a query: SELECT, FROM, WHERE, ORDER BY, LIMIT, OFFSET, by recursive descent.

The part of the SOQL and SOSL Reference's syntax that has no aliases, subqueries, functions and groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.simulators.salesforce.soql.errors import SoqlError
from connectors.simulators.salesforce.soql.tokens import Kind, Token, tokens, unexpected

OFFSET_MAX = 2000
DEPTH_MAX = 50
_RESERVED = (
    "AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST", "LIKE", "LIMIT",
    "NOT", "NULL", "NULLS", "OR", "SELECT", "USING", "WHERE", "WITH",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`name operator values`; operators other than IN, NOT IN, INCLUDES and EXCLUDES have one value."""

    name: str
    operator: str
    values: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Conditions under AND or OR, or the one under NOT."""

    operator: str
    members: tuple[Condition, ...]


Condition = Comparison | Group


@dataclass(frozen=True, slots=True, kw_only=True)
class SortItem:
    """One item of ORDER BY; nulls come first unless it is said otherwise."""

    name: str
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query; `names` are empty for `SELECT COUNT()`."""

    names: tuple[str, ...]
    source: str
    where: Condition | None = None
    order: tuple[SortItem, ...] = field(default=())
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        SoqlError: it is refused.
    """
    return _Parser(tokens(text)).query()


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def query(self) -> Query:
        self._word("SELECT")
        names = self._selected()
        self._word("FROM")
        source = self._name()
        where = self._condition() if self._took("WHERE") else None
        order: list[SortItem] = []
        if self._took("ORDER"):
            self._word("BY")
            order.append(self._sort_item())
            while self._took_mark(","):
                order.append(self._sort_item())
        limit = self._whole() if self._took("LIMIT") else None
        offset = self._whole() if self._took("OFFSET") else 0
        if offset > OFFSET_MAX:
            raise SoqlError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {OFFSET_MAX}")
        if self._now.kind is not Kind.END:
            raise unexpected(self._now.text, self._now.position)
        return Query(names=names, source=source, where=where, order=tuple(order), limit=limit, offset=offset)

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _selected(self) -> tuple[str, ...]:
        if self._now.is_word("COUNT") and self._tokens[self._at + 1].text == "(":
            self._at += 1
            self._mark("(")
            self._mark(")")
            return ()
        names = [self._name()]
        while self._took_mark(","):
            names.append(self._name())
        lowered = [name.lower() for name in names]
        if len(set(lowered)) < len(lowered):
            twice = next(name for name in names if lowered.count(name.lower()) > 1)
            raise SoqlError("MALFORMED_QUERY", f"duplicate field selected: {twice}")
        return tuple(names)

    def _condition(self) -> Condition:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise SoqlError("MALFORMED_QUERY", "the WHERE clause is nested too deeply")
        members = [self._member()]
        operator = ""
        while self._now.is_word("AND", "OR"):
            word = self._now.text.upper()
            if operator and word != operator:
                # The reference asks for parentheses between the two.
                raise unexpected(self._now.text, self._now.position)
            operator = word
            self._at += 1
            members.append(self._member())
        self._depth -= 1
        return members[0] if len(members) == 1 else Group(operator=operator, members=tuple(members))

    def _member(self) -> Condition:
        if self._took("NOT"):
            return Group(operator="NOT", members=(self._member(),))
        if self._took_mark("("):
            inner = self._condition()
            self._mark(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        name = self._name()
        if self._now.kind is Kind.SIGN:
            sign = self._now.text.replace("<>", "!=")
            self._at += 1
            return Comparison(name=name, operator=sign, values=(self._value(),))
        if self._took("LIKE"):
            return Comparison(name=name, operator="LIKE", values=(self._value(),))
        negated = self._took("NOT")
        for word in ("IN",) if negated else ("IN", "INCLUDES", "EXCLUDES"):
            if self._took(word):
                return Comparison(name=name, operator=f"NOT {word}" if negated else word, values=self._list())
        raise unexpected(self._now.text, self._now.position)

    def _list(self) -> tuple[Token, ...]:
        self._mark("(")
        values = [self._value()]
        while self._took_mark(","):
            values.append(self._value())
        self._mark(")")
        return tuple(values)

    def _value(self) -> Token:
        token = self._now
        is_word = token.is_word("TRUE", "FALSE", "NULL")
        if not is_word and token.kind not in {Kind.STRING, Kind.NUMBER, Kind.DATE, Kind.DATETIME}:
            raise unexpected(token.text, token.position)
        self._at += 1
        return token

    def _sort_item(self) -> SortItem:
        name = self._name()
        descending = self._took("DESC")
        if not descending:
            self._took("ASC")
        nulls_first = True
        if self._took("NULLS"):
            nulls_first = self._took("FIRST")
            if not nulls_first:
                self._word("LAST")
        return SortItem(name=name, descending=descending, nulls_first=nulls_first)

    def _name(self) -> str:
        token = self._now
        if token.kind is not Kind.NAME or token.is_word(*_RESERVED):
            raise unexpected(token.text, token.position)
        self._at += 1
        return token.text

    def _whole(self) -> int:
        token = self._now
        if token.kind is not Kind.NUMBER or not token.text.isdecimal():
            raise unexpected(token.text, token.position)
        self._at += 1
        return int(token.text)

    def _took(self, word: str) -> bool:
        found = self._now.is_word(word)
        self._at += found
        return found

    def _took_mark(self, mark: str) -> bool:
        found = self._now.kind is Kind.MARK and self._now.text == mark
        self._at += found
        return found

    def _word(self, word: str) -> None:
        if not self._took(word):
            raise unexpected(self._now.text, self._now.position)

    def _mark(self, mark: str) -> None:
        if not self._took_mark(mark):
            raise unexpected(self._now.text, self._now.position)
