"""Every error class of the project: its SQLSTATE, its messages, and its way to the client."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest
from sources import PACKAGES, modules, nodes

from catalog.errors import CatalogError
from connectors.sdk.errors import ConnectorError
from omnisql_server.errors import BackendError, OmniSQLError, error_fields
from wire.errors import WireError

VOCABULARY = {
    "RATE_LIMIT_EXHAUSTED",
    "ENTITLEMENT_DENIED",
    "POLICY_UNDECIDED",
    "KEY_COLUMN_REQUIRED",
    "SOURCE_UNAVAILABLE",
    "SOURCE_TIMEOUT",
    "CREDENTIALS_REJECTED",
    "AUDIT_UNAVAILABLE",
}
# Words that are written this way wherever they stand.
PROPER_WORDS = {
    "PostgreSQL",
    "DuckDB",
    "Valkey",
    "API",
    "DECLARE",
    "EXPLAIN",
    "COPY",
    "CSV",
    "ONLY",
    "SCRAM",
    "SASL",
    "OAUTHBEARER",
}
ROOTS = (OmniSQLError, CatalogError, ConnectorError, WireError)
SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def error_classes() -> list[type[Exception]]:
    """Find every subclass of the roots in every module that defines one."""
    for path, tree in modules(*PACKAGES).items():
        if any(isinstance(node, ast.ClassDef) and node.bases for node in ast.walk(tree)) and "__main__" not in path:
            importlib.import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    found: list[type[Exception]] = []
    waiting: list[type[Exception]] = list(ROOTS)
    while waiting:
        one = waiting.pop()
        if one not in found and one.__module__.split(".")[0] in PACKAGES:
            found.append(one)
            waiting += one.__subclasses__()
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__name__}")


CLASSES = error_classes()


def made(kind: type[Exception]) -> Exception:
    """Make an error with whatever its constructor wants."""
    if kind is BackendError:
        return BackendError({"S": "ERROR", "V": "ERROR", "C": "22012", "M": "a clause"})
    samples: dict[str, object] = {"message": "a clause", "detail": "A fact.", "hint": "A step."}
    keywords: dict[str, object] = {}
    positional: list[object] = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        if name not in samples and parameter.default is not inspect.Parameter.empty:
            continue
        value = samples.get(name, 1.0)
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            keywords[name] = value
        else:
            positional.append(value)
    return kind(*positional, **keywords)


def test_the_walk_finds_the_classes() -> None:
    assert len(CLASSES) > 40
    assert set(ROOTS) <= set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_has_a_sqlstate_and_a_docstring(kind: type[Exception]) -> None:
    # The wire's classes call it a default, because each message may bring its own.
    assert SQLSTATE.fullmatch(str(getattr(kind, "sqlstate", None) or getattr(kind, "default_sqlstate", "")))
    assert kind.__doc__


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_reaches_the_client_with_its_fields(kind: type[Exception]) -> None:
    fields = error_fields(made(kind))
    assert fields["S"] == fields["V"]
    assert fields["S"] in {"ERROR", "FATAL", "WARNING"}
    assert SQLSTATE.fullmatch(fields["C"])
    assert "internal error" not in fields["M"]
    assert all(isinstance(value, str) and value for value in fields.values())


def test_what_is_not_ours_is_an_internal_error_without_its_text() -> None:
    fields = error_fields(ZeroDivisionError("row value hunter2"))
    assert fields["C"] == "XX000"
    assert re.fullmatch(r"internal error, correlation id [0-9a-f]{32}", fields["M"])
    assert "hunter2" not in str(fields)


def messages() -> Iterator[tuple[str, str]]:
    """Find the beginning of every message that is written where an error is made."""
    names = {kind.__name__ for kind in CLASSES}
    for where, node in nodes(*PACKAGES):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called not in names:
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "message"] or node.args[:1]
        for value in given:
            first = value.values[0] if isinstance(value, ast.JoinedStr) and value.values else value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield where, first.value


def test_messages_are_lower_case_clauses() -> None:
    found = list(messages())
    assert len(found) > 50
    wrong = []
    for where, message in found:
        word = re.split(r"[\s:]", message, maxsplit=1)[0]
        known = word in PROPER_WORDS or (word in VOCABULARY and message.startswith(f"{word}: "))
        if (message[:1].isupper() and not known) or message.endswith("."):
            wrong.append(f"{where} {message}")
    assert wrong == []
