"""The comparison of answers with vendors' schemas must itself notice what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from answered import misfits

DOCUMENT: dict[str, Any] = {
    "definitions": {
        "named": {"type": "object", "properties": {"name": {"type": "string"}}},
        "ticket": {
            "allOf": [
                {"$ref": "#/definitions/named"},
                {"properties": {
                    "state": {"type": "string", "enum": ["open", "closed"]},
                    "at": {"type": "string", "format": "date-time", "nullable": True},
                    "owner": {"oneOf": [{"type": "integer"}, {"$ref": "#/definitions/named"}]},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "fields": {"type": "object", "additionalProperties": {"type": "number"}},
                }},
            ]
        },
    }
}  # fmt: skip
TICKET = {"$ref": "#/definitions/ticket"}


def test_what_fits_has_no_misfit() -> None:
    fitting = {"name": "a", "state": "open", "at": None, "owner": {"name": "b"}, "tags": [], "fields": {"x": 1}}
    assert list(misfits(DOCUMENT, TICKET, fitting)) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"title": "a"}, ".title is not described"),
        ({"name": None}, ".name is null"),
        ({"name": 1}, ".name is no string: 1"),
        ({"state": "new"}, ".state is 'new', not one of ['open', 'closed']"),
        ({"at": "yesterday"}, ".at is no time: 'yesterday'"),
        ({"at": "2026-01-02T03:04:05"}, ".at is no time: '2026-01-02T03:04:05'"),
        ({"owner": True}, ".owner is no integer: True"),
        ({"owner": {"login": "b"}}, ".owner.login is not described"),
        ({"tags": ["a", 1]}, ".tags[] is no string: 1"),
        ({"fields": {"x": "1"}}, ".fields.x is no number: '1'"),
    ],
)
def test_what_does_not_fit_is_named(value: dict[str, object], told: str) -> None:
    assert list(misfits(DOCUMENT, TICKET, value)) == [told]
