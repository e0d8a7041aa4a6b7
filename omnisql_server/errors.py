"""Every error of the server itself, and the one function that turns any error into an ErrorResponse's fields.

The vocabulary words (RATE_LIMIT_EXHAUSTED, ...) begin the message of the errors that a program may want to act on.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import structlog

from catalog.errors import CatalogError
from connectors.sdk.errors import ConnectorError
from wire.errors import WireError

_log = structlog.get_logger(__name__)


class OmniSQLError(Exception):
    """Root of the server's errors; carries PostgreSQL's error fields.

    `position` is the 1-based character in the client's own statement text, None where there is none.
    """

    sqlstate = "XX000"
    severity = "ERROR"

    def __init__(
        self,
        *,
        message: str,
        detail: str | None = None,
        hint: str | None = None,
        sqlstate: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.sqlstate = sqlstate or type(self).sqlstate


class BackendError(OmniSQLError):
    """The session's PostgreSQL backend answered with an ErrorResponse; `fields` are its own, passed on unchanged."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(message=fields.get("M", "error"), sqlstate=fields.get("C", "XX000"))
        self.fields = dict(fields)

    def without_position(self) -> BackendError:
        """Return the same error without its position, which is in a text that is not the client's."""
        return BackendError({key: value for key, value in self.fields.items() if key != "P"})


class BackendLost(OmniSQLError):
    """The session's backend went away: the session ends."""

    sqlstate = "57P01"
    severity = "FATAL"


class NotSupported(OmniSQLError):
    """What was asked is not available over API tables."""

    sqlstate = "0A000"


class ActiveTransaction(OmniSQLError):
    """A statement that has to stand alone is in a transaction block."""

    sqlstate = "25001"


class InsufficientPrivilege(OmniSQLError):
    """A GRANT is missing."""

    sqlstate = "42501"


class UndefinedColumn(OmniSQLError):
    """A column that a statement names does not exist."""

    sqlstate = "42703"


class UndefinedParameter(OmniSQLError):
    """A statement names a parameter that its message does not bring."""

    sqlstate = "42P02"


class EntitlementDenied(OmniSQLError):
    """ENTITLEMENT_DENIED: a policy forbids it."""

    sqlstate = "42501"


class PolicyUndecided(OmniSQLError):
    """POLICY_UNDECIDED: policy gave no decision in time, or none that can be followed."""

    sqlstate = "42501"


class KeyColumnRequired(OmniSQLError):
    """KEY_COLUMN_REQUIRED: the API cannot be asked without a value for a column."""

    sqlstate = "HV00L"


class InvalidStatementName(OmniSQLError):
    """There is no prepared statement of that name."""

    sqlstate = "26000"


class WrongArguments(OmniSQLError):
    """EXECUTE gives a prepared statement more or fewer arguments than it has parameters."""

    sqlstate = "42601"


class SettingInvalid(OmniSQLError):
    """A custom setting of the session has a value that it cannot have."""

    sqlstate = "22023"


class SettingUnknown(OmniSQLError):
    """There is no custom setting of that name."""

    sqlstate = "42704"


class LimitExceeded(OmniSQLError):
    """A configured bound was reached."""

    sqlstate = "54000"


class SharedFetchEnded(OmniSQLError):
    """The fetch of another statement ended, after rows of it went out as this one's."""

    sqlstate = "40001"


class LockNotAvailable(OmniSQLError):
    """A relation is locked, and whoever holds the lock may be waiting for this very statement."""

    sqlstate = "55P03"


class StatementCanceled(OmniSQLError):
    """The client, a timeout or a drain stopped the statement."""

    sqlstate = "57014"


class TooManyConnections(OmniSQLError):
    """The listener's or the tenant's connection limit is reached."""

    sqlstate = "53300"
    severity = "FATAL"


class ConfigurationInvalid(OmniSQLError):
    """A setting is unknown, missing or out of range."""

    sqlstate = "F0000"


class RelayInstead(Exception):
    """A statement that looked like one over API tables reaches none: the session relays it untouched.

    `watched` says that it reads what was derived from API tables: each time it is bound is put on record.
    """

    def __init__(self, *, watched: bool = False) -> None:
        super().__init__()
        self.watched = watched


class InternalError(OmniSQLError):
    """A check of our own failed: the statement was not executed."""

    sqlstate = "XX000"


def error_fields(error: BaseException, *, severity: str | None = None) -> dict[str, str]:
    """Give the ErrorResponse fields of any error.

    What is not one of ours becomes XX000 with a correlation id that the log also holds, and nothing internal.
    """
    if isinstance(error, BackendError):
        return error.fields
    if isinstance(error, OmniSQLError | CatalogError | ConnectorError | WireError):
        position = getattr(error, "position", None)
        level = severity or str(getattr(error, "severity", "ERROR"))
        optional = {"D": error.detail, "H": error.hint, "P": str(position) if position is not None else None}
        given = {key: value for key, value in optional.items() if value}
        return {"S": level, "V": level, "C": error.sqlstate, "M": error.message, **given}
    correlation = uuid.uuid4().hex
    _log.error("internal_error", correlation_id=correlation, exc_info=error)
    level = severity or "ERROR"
    return {"S": level, "V": level, "C": "XX000", "M": f"internal error, correlation id {correlation}"}
