"""What is wrong with the audit, or cannot be done because of it."""

from __future__ import annotations

from omnisql_server.errors import OmniSQLError


class AuditUnavailable(OmniSQLError):
    """AUDIT_UNAVAILABLE: a record cannot be written, so what it is about is refused."""

    sqlstate = "58030"


class AuditKeyInvalid(OmniSQLError):
    """The key that signs heads cannot be used."""

    sqlstate = "F0000"


class AuditBroken(OmniSQLError):
    """Records were changed, taken out or put in, or a signature does not fit."""

    sqlstate = "XX001"
