"""A bound tree as a form with blanks, shared by statements that differ in values alone, and what one of them fills in.

A blank is a parameter (`$1`), a literal of the text or a constant that PostgreSQL works out. The tree itself is made
only for who asks for it: most of what is derived from a tree is the same for all values.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from omnisql_server.model.literals import TextLiteral
from omnisql_server.model.trees import copied, copied_with

FOLDED, LITERAL = "fold_", "literal_"
"""What the placeholders of folded constants and of literals are called, before their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What belongs in a blank: its type as SQL (empty for a literal, whose blank has one), its text, and its node."""

    type_sql: str
    text: str | None
    node: exp.Expr = field(compare=False, repr=False)


class Form:
    """A tree with blanks, never changed; `derived` keeps what stages derive from it for whatever values."""

    __slots__ = ("_blanks", "derived", "tree")

    def __init__(self, tree: exp.Expr) -> None:
        self.tree = tree
        self.derived: dict[str, object] = {}
        self._blanks: dict[int, tuple[str, ...]] = {}

    def blanks(self, node: exp.Expr) -> tuple[str, ...]:
        """Return the names of the blanks in a node of the tree."""
        known = self._blanks.get(id(node))
        if known is None:
            named = (blank_of(part) for part in node.walk())
            known = self._blanks[id(node)] = tuple(name for name in named if name is not None)
        return known


class Meaning:
    """A form and what belongs in its blanks, by their names."""

    __slots__ = ("_tree", "fillings", "form")

    def __init__(self, form: Form, fillings: Mapping[str, Filling]) -> None:
        self.form = form
        self.fillings = fillings
        self._tree: exp.Expr | None = None

    @property
    def tree(self) -> exp.Expr:
        """Return the tree without blanks."""
        if self._tree is None:
            self._tree = self.filled(self.form.tree)
        return self._tree

    def filled(self, node: exp.Expr) -> exp.Expr:
        """Return a node of the form with its blanks filled; the very node where it has none."""
        return fill(node, self.fillings) if self.form.blanks(node) else node

    def values(self, node: exp.Expr) -> Hashable:
        """Return what fills the blanks of a node of the form, to be compared; None where it has none."""
        names = self.form.blanks(node)
        return tuple(self.fillings.get(name) for name in names) if names else None


def meaning_of(tree: exp.Expr | None) -> Meaning | None:
    """Return what a tree without blanks means."""
    return Meaning(Form(tree), {}) if tree is not None else None


def blank_of(node: exp.Expr) -> str | None:
    """Return the name of the blank that a node is, None where it is something else."""
    if isinstance(node, exp.Parameter):
        return f"${node.name}"
    if isinstance(node, exp.Placeholder) and node.name.startswith((FOLDED, LITERAL)):
        return node.name
    return None


def fill(node: exp.Expr, fillings: Mapping[str, Filling]) -> exp.Expr:
    """Return a copy of a node with the blanks filled that are among the fillings."""
    if not fillings:
        return node

    def filling(part: exp.Expr) -> exp.Expr | None:
        name = blank_of(part)
        found = fillings.get(name) if name is not None else None
        return copied(found.node) if found is not None else None

    return copied_with(node, filling)


def with_literals(tree: exp.Expr, literals: tuple[TextLiteral, ...]) -> exp.Expr:
    """Return a tree with values in the place of marks."""
    if not literals:
        return tree
    by_mark = {(literal.mark, literal.is_string): literal.value for literal in literals}

    def valued(node: exp.Expr) -> exp.Expr:
        value = by_mark.get((node.name, bool(node.is_string))) if isinstance(node, exp.Literal) else None
        if value is not None:
            node.set("this", value)
        return node

    return tree.transform(valued)
