"""The key under which an answer is kept: whatever shapes the answer, and is known beforehand, is in it."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
from plain_settings import SETTINGS

from omnisql_server.model.query import Settings
from omnisql_server.model.run import BoundParameters
from omnisql_server.repeats.repeats import Repeats
from omnisql_server.repeats.store import AnswerStore

PARAMETERS = BoundParameters(type_oids=(23,), values=(b"1",), formats=(0,), result_formats=(0,))
STORE = AnswerStore(1_000_000)
OTHERS: dict[type, Any] = {str: "other", int: 4711, bool: False, type(None): 4711}


def tenant() -> Repeats:
    """Make a tenant's answers; nothing is asked of anybody for a key."""
    nobody: Any = None
    return Repeats(STORE, nobody, nobody, nobody)


TENANT, BOUND = tenant(), object()


def key(
    *,
    of: Repeats = TENANT,
    text: str = "SELECT 1",
    parameters: BoundParameters = PARAMETERS,
    bound: object = BOUND,
    settings: Settings = SETTINGS,
    role: str = "ana",
    question: object = "reads github.issues as ana",
) -> object:
    """Make the key of one statement."""
    statement: Any = SimpleNamespace(query=text)
    principal = SimpleNamespace(role=role)
    query: Any = SimpleNamespace(query=SimpleNamespace(origin=bound, settings=settings), principal=principal)
    asked: Any = question
    return of._key(statement, query, parameters, asked)


def test_the_same_statement_has_the_same_key() -> None:
    assert key() == key(settings=replace(SETTINGS), parameters=replace(PARAMETERS))


@pytest.mark.parametrize(
    "change",
    [
        {"of": tenant()},
        {"text": "SELECT 2"},
        {"bound": object()},
        {"role": "eve"},
        {"question": "reads github.issues as eve"},
        {"parameters": replace(PARAMETERS, values=(b"2",))},
        {"parameters": replace(PARAMETERS, values=(None,))},
        {"parameters": replace(PARAMETERS, type_oids=(20,))},
        {"parameters": replace(PARAMETERS, formats=(1,))},
        {"parameters": replace(PARAMETERS, result_formats=(1,))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_another_statement_has_another_key(change: dict[str, Any]) -> None:
    assert key(**change) != key()


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_each_setting_is_in_the_key(name: str) -> None:
    known = getattr(SETTINGS, name)
    other: Any = {name: OTHERS[type(known)] if known is not False else True}
    assert key(settings=replace(SETTINGS, **other)) != key()
