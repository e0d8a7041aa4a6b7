"""The options of a PostgreSQL source, and where they lead. Pure."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.sdk.addresses import is_plain_host
from connectors.sdk.connector import Option
from connectors.sdk.errors import OptionInvalid

VERIFY_FULL, DISABLE = "verify-full", "disable"


def _host(value: str, server: str) -> str:
    if not is_plain_host(value):
        raise OptionInvalid(
            message=f'option host of server "{server}" is not the name or address of one host',
            hint="Write a name in ASCII, like db.example.com, or an address in its usual form.",
        )
    return value.lower()


def _port(value: str, server: str) -> str:
    if re.fullmatch(r"[0-9]{1,5}", value, re.ASCII) is None or not 0 < int(value) < 65_536:
        raise OptionInvalid(
            message=f'option port of server "{server}" is not a port', hint="Write a number, like 5432."
        )
    return str(int(value))


def _sslmode(value: str, server: str) -> str:
    if value not in {VERIFY_FULL, DISABLE}:
        raise OptionInvalid(
            message=f'option sslmode of server "{server}" is neither {VERIFY_FULL} nor {DISABLE}',
            detail="The modes in between encrypt without proof of whom one talks to.",
            hint="For a certificate of your own authority, give it in option root_certificates.",
        )
    return value


def _database(value: str, _server: str) -> str:
    return value


def _certificates(value: str, server: str) -> str:
    try:
        ssl.create_default_context(cadata=value)
    except (ssl.SSLError, ValueError):
        raise OptionInvalid(
            message=f'option root_certificates of server "{server}" holds no certificate in PEM form',
            hint="Give the text of the file that begins with -----BEGIN CERTIFICATE-----.",
        ) from None
    return hashlib.sha256(value.encode()).hexdigest()


OPTIONS = (
    Option(name="host", description="Name or address of the host.", required=True, audience=True, leads_to=_host),
    Option(name="port", description="Its port.", default="5432", audience=True, leads_to=_port),
    Option(name="dbname", description="Name of the database.", required=True, audience=True, leads_to=_database),
    Option(
        name="sslmode",
        description="`verify-full`, or `disable` in a network where nobody listens.",
        default=VERIFY_FULL,
        audience=True,
        leads_to=_sslmode,
    ),
    Option(
        name="root_certificates",
        description="Certificates in PEM form of who may sign the server's, instead of those trusted anyway.",
        audience=True,
        leads_to=_certificates,
    ),
    Option(name="user", description="Role to log in as; of the server, or of a user mapping."),
    Option(name="password", description="The role's password.", required=True, secret=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a source is and who logs in there."""

    server: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    is_encrypted: bool = True
    root_certificates: str | None = None


def place_of(values: Mapping[str, str], server: str) -> Place:
    """Return where checked options lead.

    Raises:
        OptionInvalid: SQLSTATE HV00D, an option is malformed, or nobody is named to log in.
    """
    for option in OPTIONS:
        if option.leads_to is not None and option.name in values:
            option.leads_to(values[option.name], server)
    if "user" not in values:
        raise OptionInvalid(
            message=f'server "{server}" lacks option user',
            hint=f"ALTER USER MAPPING FOR .. SERVER {server} OPTIONS (ADD user '..')",
        )
    return Place(
        server=server,
        host=values["host"],
        port=int(values["port"]),
        database=values["dbname"],
        user=values["user"],
        password=values["password"],
        is_encrypted=values["sslmode"] != DISABLE,
        root_certificates=values.get("root_certificates"),
    )
