"""How one setting is declared: a field of a section with its default, what it means, and what is allowed. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

from omnisql_server.networks import TextForm

T = TypeVar("T")


def setting(
    default: T,
    documentation: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    form: TextForm | None = None,
    secret: bool = False,
) -> T:
    """Declare a field of a section: its default, what it means, and what is allowed."""
    metadata = {
        "documentation": documentation,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "form": form,
        "secret": secret,
    }
    return field(default=default, repr=not secret, metadata=metadata)
