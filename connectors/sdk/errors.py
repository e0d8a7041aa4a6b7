"""What goes wrong between a connector and its API, named by how one recovers from it."""

from __future__ import annotations


class ConnectorError(Exception):
    """Root of every error a connector raises; carries PostgreSQL's error fields.

    `message` is one lower-case clause, after a vocabulary word where one applies; `detail` holds facts, `hint` the
    next step. None of them ever holds a secret or a row's value.
    """

    sqlstate = "HV000"

    def __init__(
        self, *, message: str, detail: str | None = None, hint: str | None = None, sqlstate: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.sqlstate = sqlstate or type(self).sqlstate


class Retryable(ConnectorError):
    """The same request may succeed soon (5xx, broken connection, truncated body); in the end SOURCE_UNAVAILABLE."""

    sqlstate = "08006"


class SourceTimeout(Retryable):
    """The source did not answer in time: SOURCE_TIMEOUT."""

    sqlstate = "08006"


class RateLimited(ConnectorError):
    """The source refuses for now: RATE_LIMIT_EXHAUSTED. `retry_after_s` is when it may answer again."""

    sqlstate = "53400"

    def __init__(
        self,
        *,
        message: str,
        retry_after_s: float,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message=message, detail=detail, hint=hint)
        self.retry_after_s = retry_after_s


class CredentialsRejected(ConnectorError):
    """The source does not accept the credentials: CREDENTIALS_REJECTED."""

    sqlstate = "28000"


class StatementRefused(ConnectorError):
    """The source does not carry out a statement whole; what it reads may still be read table by table."""

    sqlstate = "0A000"


class EmptyResult(ConnectorError):
    """The source's error means that no row matches (a 404 of a point look-up, an unknown enum value)."""

    sqlstate = "02000"


class Fatal(ConnectorError):
    """Trying again will not help: the source refused the request itself."""

    sqlstate = "HV000"


class DestinationRefused(Fatal):
    """The source's address is one that may not be connected to, or its name has none.

    HV00N says that there is no connection. 42501 would say that the source itself denied what was asked, and connectors
    act on that.
    """

    sqlstate = "HV00N"


class ManifestInvalid(ConnectorError):
    """A connector's declaration contradicts itself.

    `place` is line and column in its file, from 1, and `plain` the message without them, where it was read from one.
    """

    sqlstate = "HV00R"

    def __init__(
        self,
        *,
        message: str,
        detail: str | None = None,
        hint: str | None = None,
        place: tuple[int, int] | None = None,
        plain: str | None = None,
    ) -> None:
        super().__init__(message=message, detail=detail, hint=hint)
        self.place = place
        self.plain = plain


class OptionInvalid(ConnectorError):
    """A source's option is unknown, missing or out of range."""

    sqlstate = "HV00D"
