"""What a manifest's calls for rows are made of. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping

from connectors.declarative.checks import placeholders
from connectors.declarative.columns import ColumnFound
from connectors.declarative.manifest import HydrateDeclared
from connectors.sdk.table import Hydration

_AS_SENT = frozenset({"text", "int2", "int4", "int8"})
"""Types whose values are sent as the API wrote them."""


def hydrate_inputs(declared: HydrateDeclared, columns: Container[str]) -> tuple[str, ...]:
    """Return the columns that a call is made of."""
    return tuple(sorted(set(places_filled(declared, columns).values())))


def places_filled(declared: HydrateDeclared, columns: Container[str]) -> dict[str, str]:
    """Return by placeholder of a call the column that fills it; options of the server fill the others."""
    return {used: column for used, column in places_of_call(declared).items() if column in columns}


def places_of_call(declared: HydrateDeclared) -> dict[str, str]:
    """Return by placeholder of a call the name of what fills it."""
    texts = (declared.request, *declared.inputs.values())
    return {used: declared.fills.get(used, used) for text in texts for used in placeholders(text)}


def hydrations_of(hydrate: Mapping[str, HydrateDeclared], columns: Mapping[str, ColumnFound]) -> dict[str, Hydration]:
    """Return the calls that can be made for rows that were read before."""
    inputs = {name: hydrate_inputs(declared, columns) for name, declared in hydrate.items()}
    return {
        name: Hydration(inputs=used, rows_max=together.max, pays=together.pays)
        if (together := hydrate[name].together)
        else Hydration(inputs=used)
        for name, used in inputs.items()
        if all(columns[column].column.type_name in _AS_SENT for column in used)
    }
