"""What planning reads from a form once for all values: its scopes and conjuncts. Pure.

A conjunct with a blank is filled and read again when it has other values. Blanks elsewhere than in conditions, LIMIT
and OFFSET may change what a scope is: such a form is read with its blanks filled.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from omnisql_server.model.meaning import Form, Meaning, blank_of
from omnisql_server.plan.conjuncts import Equality, conjuncts, equalities

_Read = TypeVar("_Read")


class Conjunct:
    """A conjunct without blanks, and what was read from it, each thing once."""

    __slots__ = ("_known", "node")

    def __init__(self, node: exp.Expr) -> None:
        self.node = node
        self._known: dict[str, object] = {}

    def get(self, name: str, read: Callable[[exp.Expr], _Read]) -> _Read:
        """Return what `read` makes of the node; a name stands for one function."""
        if name not in self._known:
            self._known[name] = read(self.node)
        return self._known[name]  # type: ignore[return-value]


class Readings:
    """A tree's scopes with their conjuncts and equalities, found when they are first asked for.

    `whole` are things that are read from the tree at once.
    """

    def __init__(self, tree: exp.Expr) -> None:
        self.tree = tree
        self.root = build_scope(tree)
        self.scopes = list(self.root.traverse()) if self.root is not None else []
        self._whole: dict[str, object] = {}
        self._conjuncts: dict[int, list[tuple[exp.Expr, set[str] | None]]] = {}
        self._equalities: dict[int, list[Equality]] = {}
        self._read: dict[int, tuple[Hashable, Conjunct]] = {}

    def conjuncts(self, scope: Scope) -> list[tuple[exp.Expr, set[str] | None]]:
        """Return the conjuncts of a scope as the form has them, with the sources that each may restrict."""
        known = self._conjuncts.get(id(scope))
        if known is None:
            known = self._conjuncts[id(scope)] = list(conjuncts(scope.expression))
        return known

    def equalities(self, scope: Scope) -> list[Equality]:
        """Return the equalities of a scope."""
        known = self._equalities.get(id(scope))
        if known is None:
            known = self._equalities[id(scope)] = list(equalities(scope.expression))
        return known

    def read(self, conjunct: exp.Expr, meaning: Meaning) -> Conjunct:
        """Return a conjunct with its blanks filled; what was read of it stays for the values it had last."""
        known = self._read.get(id(conjunct))
        if known is not None and known[0] is None:
            return known[1]
        values = meaning.values(conjunct)
        if known is None or known[0] != values:
            known = self._read[id(conjunct)] = (values, Conjunct(meaning.filled(conjunct)))
        return known[1]

    def whole(self, name: str, read: Callable[[], _Read]) -> _Read:
        """Return what is read from the whole tree, once."""
        if name not in self._whole:
            self._whole[name] = read()
        return self._whole[name]  # type: ignore[return-value]


def readings_of(meaning: Meaning) -> tuple[Readings, Meaning]:
    """Return the readings of a form, or of its tree where blanks could change them, and what fills their blanks."""
    if not is_read_by_form(meaning.form):
        return Readings(meaning.tree), Meaning(Form(meaning.tree), {})
    known = meaning.form.derived.get("readings")
    if not isinstance(known, Readings):
        known = meaning.form.derived["readings"] = Readings(meaning.form.tree)
    return known, meaning


def is_read_by_form(form: Form) -> bool:
    """Say whether a form is read once for all values: all its blanks are in conditions, LIMIT and OFFSET."""
    known = form.derived.get("readable")
    if known is None:
        known = form.derived["readable"] = all(
            _is_condition(node) for node in form.tree.walk() if blank_of(node) is not None
        )
    return known is True


def _is_condition(blank: exp.Expr) -> bool:
    node = blank
    while node.parent is not None:
        if isinstance(node.parent, exp.Where | exp.Limit | exp.Offset):
            return True
        if isinstance(node.parent, exp.Join):
            return node.arg_key == "on"
        if isinstance(node.parent, exp.Query):
            return False
        node = node.parent
    return False
