"""What PostgreSQL and the way to it answer, as errors by recovery. Messages of the source are not repeated: they may
hold values of rows. Pure.
"""

from __future__ import annotations

import ssl

import asyncpg

from connectors.sdk.errors import ConnectorError, CredentialsRejected, Fatal, Retryable, SourceTimeout

_GONE = {"42P01": "HV00R", "42703": "HV005", "3F000": "HV00R"}


def judged(error: BaseException, server: str) -> ConnectorError:
    """Return what an error of the driver or the network means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fatal(
            message=f'server "{server}" does not prove with its certificate who it is',
            detail=f"{error.verify_message}.",
            hint="Give who signed it in option root_certificates, or correct host.",
            sqlstate="08001",
        )
    if isinstance(error, TimeoutError):
        return SourceTimeout(message=f'SOURCE_TIMEOUT: server "{server}" did not answer in time')
    if isinstance(error, asyncpg.PostgresError):
        return _refused(error.sqlstate or "", server)
    return Retryable(
        message=f'SOURCE_UNAVAILABLE: server "{server}" cannot be used at the moment',
        detail="It cannot be connected to, or broke the connection.",
    )


def refuses_statement(error: asyncpg.PostgresError) -> bool:
    """Say whether an error is about what was asked, rather than about who asked, the way there or the time it took."""
    state = error.sqlstate or ""
    return state[:2] not in {"08", "28", "40", "53", "57"} and state != "3D000"


def failed_late(error: asyncpg.PostgresError, server: str) -> Fatal:
    """Return the error of a statement of which rows were given already, under the source's own SQLSTATE."""
    return Fatal(
        message=f'server "{server}" failed to carry out the statement after its first rows',
        detail=f"It answered with SQLSTATE {error.sqlstate}.",
        hint="SET omnisql.engine = 'postgres' and run it again: its tables are then read one by one",
        sqlstate=error.sqlstate,
    )


def _refused(sqlstate: str, server: str) -> ConnectorError:
    said = f"It answered with SQLSTATE {sqlstate}."
    if sqlstate.startswith("28") or sqlstate == "3D000":
        return CredentialsRejected(
            message=f'CREDENTIALS_REJECTED: server "{server}" does not accept its credentials',
            detail=said,
            hint="Correct user and password in the user mapping, and dbname in the server's options.",
        )
    if sqlstate == "42501":
        return Fatal(
            message=f'server "{server}" denies access to a table or column',
            hint="GRANT SELECT there to the role of the user mapping.",
            sqlstate="42501",
        )
    if sqlstate in _GONE:
        return Fatal(
            message=f'server "{server}" does not have a table or column any more',
            detail=said,
            hint="Import the foreign schema again.",
            sqlstate=_GONE[sqlstate],
        )
    if sqlstate == "57014":
        return SourceTimeout(
            message=f'SOURCE_TIMEOUT: server "{server}" did not finish a query in time',
            hint="Add conditions that an index there can use.",
        )
    if sqlstate[:2] in {"08", "53", "57", "40"}:
        return Retryable(message=f'SOURCE_UNAVAILABLE: server "{server}" cannot be used at the moment', detail=said)
    return Fatal(
        message=f'server "{server}" failed to carry out a query',
        detail=said,
        hint="Its own log says why.",
    )
