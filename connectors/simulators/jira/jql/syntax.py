"""Parses JQL into a tree: clauses under AND, OR and NOT, and the keys of ORDER BY."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulators.jira.jql.errors import JqlError, syntax_error
from connectors.simulators.jira.jql.tokens import KEYWORDS, RESERVED_WORDS, Token, tokenize

DEPTH_MAX = 60
ORDER_FIELDS_MAX = 7
_COMPARISONS = {"=", "!=", "<", "<=", ">", ">=", "~", "!~"}
_VALID_OPERATORS = "'=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' and 'IS NOT'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A literal; `text` is None for EMPTY."""

    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function such as `currentUser()`."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One comparison; the operands are a list only for `in` and `not in`."""

    field: str
    operator: str
    operands: tuple[Value | Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    child: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    children: tuple[Node, ...]


Node = Clause | Not | And | Or


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """A field to order by; `is_descending` is None when the query leaves it to the field."""

    field: str
    is_descending: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    where: Node | None
    order: tuple[SortKey, ...]


def parse(text: str) -> Query:
    """Parse a query; its fields and values are not looked at.

    Raises:
        JqlError: the text is not JQL.
    """
    parser = _Parser(text)
    return parser.query()


class _Parser:
    """Recursive descent over the tokens, bounded in depth."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._index = 0

    def query(self) -> Query:
        where = None
        if self._token.kind != "end" and not self._token.is_word("order"):
            where = self._disjunction(0)
        order = self._order()
        if self._token.kind != "end":
            raise self._unexpected("either 'OR' or 'AND'")
        return Query(where=where, order=order)

    @property
    def _token(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._token
        self._index += token.kind != "end"
        return token

    def _accept_mark(self, mark: str) -> bool:
        if self._token.kind == "mark" and self._token.text == mark:
            self._index += 1
            return True
        return False

    def _accept(self, words: tuple[str, ...], operators: tuple[str, ...] = ()) -> bool:
        if self._token.is_word(*words) or (self._token.kind == "operator" and self._token.text in operators):
            self._index += 1
            return True
        return False

    def _unexpected(self, expected: str, hint: str = "") -> JqlError:
        token = self._token
        if token.kind == "end":
            what = f"Expecting {expected} before the end of the query."
        elif token.kind == "word" and token.text.lower() in RESERVED_WORDS:
            what = (
                f"'{token.text}' is a reserved JQL word. You must surround it in quotation marks to use it in a query."
            )
        else:
            what = f"Expecting {expected} but got '{token.text}'.{hint}"
        return syntax_error(self._text, token.position, what)

    def _disjunction(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise syntax_error(self._text, self._token.position, "The query is nested too deeply.")
        children = [self._conjunction(depth)]
        while self._accept(("or",), ("||", "|")):
            children.append(self._conjunction(depth))
        return children[0] if len(children) == 1 else Or(children=tuple(children))

    def _conjunction(self, depth: int) -> Node:
        children = [self._negation(depth)]
        while self._accept(("and",), ("&&", "&")):
            children.append(self._negation(depth))
        return children[0] if len(children) == 1 else And(children=tuple(children))

    def _negation(self, depth: int) -> Node:
        if self._accept(("not",), ("!",)):
            if depth > DEPTH_MAX:
                raise syntax_error(self._text, self._token.position, "The query is nested too deeply.")
            return Not(child=self._negation(depth + 1))
        if self._accept_mark("("):
            inner = self._disjunction(depth + 1)
            if not self._accept_mark(")"):
                raise self._unexpected("either 'OR', 'AND' or ')'")
            return inner
        return self._clause()

    def _clause(self) -> Clause:
        field = self._field()
        token = self._token
        if token.kind == "operator" and token.text in _COMPARISONS:
            self._advance()
            return Clause(field=field, operator=token.text, operands=(self._operand(),))
        if self._accept(("is",)):
            operator = "is not" if self._accept(("not",)) else "is"
            if not self._token.is_word("empty", "null"):
                raise self._unexpected("'EMPTY' or 'NULL'")
            return Clause(field=field, operator=operator, operands=(self._operand(),))
        negated = self._accept(("not",))
        if not self._accept(("in",)):
            raise self._unexpected("operator", f" The valid operators are {_VALID_OPERATORS}.")
        return Clause(field=field, operator="not in" if negated else "in", operands=self._operands())

    def _field(self) -> str:
        token = self._token
        if token.is_word("cf") and self._tokens[self._index + 1].text == "[":
            self._index += 2
            number = self._advance()
            if not (number.text.isascii() and number.text.isdigit()) or not self._accept_mark("]"):
                raise syntax_error(self._text, number.position, f"Expecting a custom field id but got '{number.text}'.")
            return f"cf[{int(number.text[:18])}]"
        if token.kind not in {"word", "string"} or token.is_word(*KEYWORDS) or token.is_word(*RESERVED_WORDS):
            raise self._unexpected("a field name")
        self._advance()
        return token.text

    def _operands(self) -> tuple[Value | Call, ...]:
        if not self._accept_mark("("):
            call = self._operand()
            if not isinstance(call, Call):
                self._index -= 1
                raise self._unexpected("a list or function")
            return (call,)
        operands = [self._operand()]
        while self._accept_mark(","):
            operands.append(self._operand())
        if not self._accept_mark(")"):
            raise self._unexpected("',' or ')'")
        return tuple(operands)

    def _operand(self) -> Value | Call:
        token = self._token
        if token.is_word("empty", "null"):
            self._advance()
            return Value(text=None)
        hint = f" You must surround '{token.text}' in quotation marks to use it as a value."
        if token.kind not in {"word", "string"} or token.is_word(*KEYWORDS) or token.is_word(*RESERVED_WORDS):
            raise self._unexpected("either a value, list or function", hint)
        self._advance()
        if self._accept_mark("("):
            return Call(name=token.text, arguments=self._arguments())
        return Value(text=token.text)

    def _arguments(self) -> tuple[str, ...]:
        if self._accept_mark(")"):
            return ()
        arguments = [self._argument()]
        while self._accept_mark(","):
            arguments.append(self._argument())
        if not self._accept_mark(")"):
            raise self._unexpected("',' or ')'")
        return tuple(arguments)

    def _argument(self) -> str:
        if self._token.kind not in {"word", "string"}:
            raise self._unexpected("a value")
        return self._advance().text

    def _order(self) -> tuple[SortKey, ...]:
        if not self._accept(("order",)):
            return ()
        if not self._accept(("by",)):
            raise self._unexpected("'BY'")
        keys = [self._sort_key()]
        while self._accept_mark(","):
            keys.append(self._sort_key())
        if len(keys) > ORDER_FIELDS_MAX:
            raise JqlError(f"The 'ORDER BY' clause can contain a maximum of {ORDER_FIELDS_MAX} fields.")
        return tuple(keys)

    def _sort_key(self) -> SortKey:
        field = self._field()
        if self._accept(("asc",)):
            return SortKey(field=field, is_descending=False)
        return SortKey(field=field, is_descending=True if self._accept(("desc",)) else None)
