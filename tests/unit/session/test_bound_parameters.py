"""PostgreSQL's rules for the format codes of a Bind message."""

from __future__ import annotations

import pytest

from omnisql_server.model.run import Description
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.session.statements import RunStatement, bound_parameters
from wire.backend import Field
from wire.errors import ProtocolViolation
from wire.frontend import Bind

STATEMENT = RunStatement(
    name=b"s",
    statement=Statement(text="", kind=StatementKind.SELECT, references=()),
    description=Description(
        parameter_oids=(23, 25), fields=(Field(name="a", type_oid=23), Field(name="b", type_oid=25))
    ),
    twin="t",
)


@pytest.mark.parametrize(("given", "applied"), [((), (0, 0)), ((1,), (1, 1)), ((1, 0), (1, 0))])
def test_formats_are_applied_to_every_value(given: tuple[int, ...], applied: tuple[int, ...]) -> None:
    bind = Bind(portal=b"", statement=b"s", parameters=(b"1", None), parameter_formats=given, result_formats=given)
    bound = bound_parameters(STATEMENT, bind)
    assert (bound.formats, bound.result_formats) == (applied, applied)
    assert (bound.values, bound.type_oids) == ((b"1", None), (23, 25))


@pytest.mark.parametrize(
    "bind",
    [
        Bind(portal=b"", statement=b"s", parameters=(b"1",)),
        Bind(portal=b"", statement=b"s", parameters=(b"1", b"2"), result_formats=(0, 0, 0)),
    ],
)
def test_counts_that_do_not_fit_are_refused(bind: Bind) -> None:
    with pytest.raises(ProtocolViolation, match="bind message") as caught:
        bound_parameters(STATEMENT, bind)
    assert caught.value.sqlstate == "08P01"
