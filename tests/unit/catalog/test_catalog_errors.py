"""Every error of the catalog carries a SQLSTATE and the facts it was given."""

from __future__ import annotations

import re

import pytest

from catalog import errors
from catalog.errors import CatalogError

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, CatalogError)]


@pytest.mark.parametrize("error_class", CLASSES)
def test_an_error_has_a_sqlstate_message_detail_and_hint(error_class: type[CatalogError]) -> None:
    error = error_class("it happened", detail="here", hint="do this")
    assert re.fullmatch(r"[0-9A-Z]{5}", error.sqlstate)
    assert (str(error), error.message, error.detail, error.hint) == ("it happened", "it happened", "here", "do this")


def test_all_classes_were_found() -> None:
    assert {CatalogError, errors.ClusterUnavailable, errors.SecretRefused} < set(CLASSES)
