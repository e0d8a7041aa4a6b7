"""Everything this package raises: one root, each class with the SQLSTATE a server reports for it."""

from wire import sqlstate as states


class WireError(Exception):
    """Root of the package's errors: what an ErrorResponse needs, without bytes of the offending message."""

    default_sqlstate = states.PROTOCOL_VIOLATION

    def __init__(
        self, *, message: str, sqlstate: str | None = None, detail: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate or self.default_sqlstate
        self.detail = detail
        self.hint = hint


class ProtocolViolation(WireError):
    """The peer sent bytes that the protocol does not allow."""


class MessageTooLarge(ProtocolViolation):
    """A message announces, or would need, more bytes than the limit."""


class UnsupportedProtocol(WireError):
    """The peer asked for a protocol version or message that is not spoken here."""

    default_sqlstate = states.FEATURE_NOT_SUPPORTED


class AuthenticationFailed(WireError):
    """The password, proof or channel binding is wrong, or the user does not exist."""

    default_sqlstate = states.INVALID_PASSWORD


class AuthorizationInvalid(WireError):
    """The start-up packet lacks a user, or names one that may not log in."""

    default_sqlstate = states.INVALID_AUTHORIZATION_SPECIFICATION


class ParameterInvalid(WireError):
    """A Bind parameter is not a value of its type in the announced format."""

    default_sqlstate = states.INVALID_BINARY_REPRESENTATION


class ValueUnsupported(WireError):
    """A result column cannot be written as the announced type in the announced format."""

    default_sqlstate = states.FEATURE_NOT_SUPPORTED
