"""What goes wrong in statements about sources; where PostgreSQL has the same error, it has the same words."""

from __future__ import annotations

from omnisql_server.errors import OmniSQLError


class NotGrammaticalText(OmniSQLError):
    """PostgreSQL's grammar refuses a text that was kept from it, because it may hold a secret."""

    sqlstate = "42601"


class ServerUnknown(OmniSQLError):
    """There is no foreign server of that name."""

    sqlstate = "42704"


class SourceOptionInvalid(OmniSQLError):
    """An option of a server, a user mapping or a foreign table is unknown, misplaced or malformed."""

    sqlstate = "HV00D"


class CredentialMissing(OmniSQLError):
    """The user has no credential for a server, and there is none for everybody."""

    sqlstate = "28000"


class RemoteSchemaUnknown(OmniSQLError):
    """IMPORT FOREIGN SCHEMA names a schema that the server does not have."""

    sqlstate = "HV00Q"


class ApiTableUnknown(OmniSQLError):
    """A foreign table is to stand for an API table that its server does not have."""

    sqlstate = "HV00R"


class ApiColumnUnknown(OmniSQLError):
    """A column of a foreign table is to stand for an API column that its API table does not have."""

    sqlstate = "HV005"


class ApiColumnType(OmniSQLError):
    """A column of a foreign table has another type than its API column."""

    sqlstate = "42804"


class WrapperUnknown(OmniSQLError):
    """There is no foreign-data wrapper of that name."""

    sqlstate = "42704"
