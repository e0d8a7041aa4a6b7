"""Copies of sqlglot's trees. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlglot import exp

_Tree = TypeVar("_Tree", bound=exp.Expr)


def copied(tree: _Tree) -> _Tree:
    """Copy a tree as `Expr.copy` does, but share the types of its nodes, which are replaced and never changed.

    Copying each node's type and notes deeply is most of what `Expr.copy` costs.
    """
    root = tree.__class__()
    _copy(tree, root, _blank)
    return root


def copied_with(tree: exp.Expr, instead: Callable[[exp.Expr], exp.Expr | None]) -> exp.Expr:
    """Copy a tree with other nodes in the place of some; `instead` gives those, None for a node that stays."""
    found = instead(tree)
    if found is not None:
        return found
    root = tree.__class__()
    _copy(tree, root, instead)
    return root


def _blank(_: exp.Expr) -> None:
    return None


def _copy(tree: exp.Expr, root: exp.Expr, instead: Callable[[exp.Expr], exp.Expr | None]) -> None:
    waiting = [(tree, root)]

    def made_of(node: exp.Expr) -> exp.Expr:
        made = instead(node)
        if made is None:
            made = node.__class__()
            waiting.append((node, made))
        return made

    while waiting:
        node, made = waiting.pop()
        made.comments = list(node.comments) if node.comments is not None else None
        made._type = node._type
        made._meta = dict(node._meta) if node._meta is not None else None
        for key, value in node.args.items():
            if isinstance(value, exp.Expr):
                made.set(key, made_of(value))
            elif type(value) is list:
                made.args[key] = []
                for item in value:
                    made.append(key, made_of(item) if isinstance(item, exp.Expr) else item)
            else:
                made.args[key] = value
