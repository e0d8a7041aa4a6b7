"""What the backend is started with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.session.login import backend_parameters
from wire.errors import ProtocolViolation
from wire.startup import parse_options


def test_the_clients_parameters_pass_and_ours_are_ours() -> None:
    asked = {"user": "x", "database": "y", "replication": "off", "TimeZone": "UTC", "options": "-c a.b=2"}
    parameters = backend_parameters(asked, role="ana", database="acme", settings={"a.b": "1", "c.d": "3"})
    assert parameters == {"user": "ana", "database": "acme", "TimeZone": "UTC", "options": "-c a.b=2 -c c.d=3"}


def test_malformed_options_are_refused() -> None:
    with pytest.raises(ProtocolViolation):
        backend_parameters({"options": "-x"}, role="ana", database="acme", settings={})


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_survives_escaping(value: str) -> None:
    parameters = backend_parameters({}, role="ana", database="acme", settings={"omnisql.note": value})
    assert parse_options(parameters["options"]) == {"omnisql.note": value}
