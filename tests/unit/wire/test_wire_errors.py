"""Every error class of the package: a SQLSTATE of five characters, and the four facts an ErrorResponse needs."""

import inspect

import pytest

from wire import errors, sqlstate
from wire.errors import WireError

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, WireError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_carries_its_facts(cls: type[WireError]) -> None:
    error = cls(message="m", detail="d", hint="h")
    assert (str(error), error.message, error.detail, error.hint) == ("m", "m", "d", "h")
    assert error.sqlstate == cls.default_sqlstate
    assert cls(message="m", sqlstate="XX000").sqlstate == "XX000"


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (errors.ProtocolViolation, "08P01"),
        (errors.MessageTooLarge, "08P01"),
        (errors.UnsupportedProtocol, "0A000"),
        (errors.AuthenticationFailed, "28P01"),
        (errors.AuthorizationInvalid, "28000"),
        (errors.ParameterInvalid, "22P03"),
        (errors.ValueUnsupported, "0A000"),
    ],
)
def test_sqlstates_are_those_postgresql_uses(cls: type[WireError], code: str) -> None:
    assert cls.default_sqlstate == code


def test_codes_have_five_characters_and_one_name_each() -> None:
    codes = [value for name, value in vars(sqlstate).items() if name.isupper()]
    assert all(len(code) == 5 and code.isalnum() and code == code.upper() for code in codes)
    assert len(codes) == len(set(codes))
