"""What Linear counts of a query: https://linear.app/developers/rate-limiting, "Understanding query complexity". Pure.

A property is a tenth of a point, an object one point, and a connection multiplies the points of its children by the
pagination argument, or by 50; the sum is rounded up. What is which is told by the schema: a connection is of a type
that is called one. Its examples are in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

COMPLEXITY_MAX = 10_000
ROWS_DEFAULT = 50
_PROPERTY = Fraction(1, 10)


def complexity(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """Return the points of a document that is valid in a schema."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    counting = _Counting(schema, fragments, variables)
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    return math.ceil(sum(counting.children(each.selection_set, schema.query_type) for each in operations))


class _Counting:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables

    def children(self, selection: SelectionSetNode, parent: GraphQLNamedType | None) -> Fraction:
        total = Fraction(0)
        for each in selection.selections:
            if isinstance(each, FieldNode):
                total += self._field(each, parent)
            elif isinstance(each, InlineFragmentNode):
                on = each.type_condition
                total += self.children(each.selection_set, self._schema.get_type(on.name.value) if on else parent)
            elif isinstance(each, FragmentSpreadNode):
                spread = self._fragments[each.name.value]
                on_type = self._schema.get_type(spread.type_condition.name.value)
                total += self.children(spread.selection_set, on_type)
        return total

    def _field(self, field: FieldNode, parent: GraphQLNamedType | None) -> Fraction:
        if field.selection_set is None:
            return _PROPERTY
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or field.name.value.startswith("__"):
            return 1 + self.children(field.selection_set, None)
        kind = get_named_type(parent.fields[field.name.value].type)
        below = self.children(field.selection_set, kind)
        return below * self._rows(field) if kind.name.endswith("Connection") else 1 + below

    def _rows(self, field: FieldNode) -> int:
        given = {argument.name.value: argument.value for argument in field.arguments}
        value = given.get("first", given.get("last"))
        if isinstance(value, IntValueNode):
            return int(value.value)
        known = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return ROWS_DEFAULT if known is None else int(known)
