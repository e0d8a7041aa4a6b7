"""What options a connector takes, where, and where its secrets would go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from catalog.credentials import audience_of
from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.credentials import secrets_lacking
from connectors.sdk.connector import Connector
from connectors.sdk.options import checked_base_url
from omnisql_server.manage.errors import SourceOptionInvalid
from omnisql_server.model.definition import OptionAction, OptionChange
from omnisql_server.model.freshness import DURATION_WORDS, FRESHNESS_OPTIONS, duration_us

WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of an option
MEMBERS = "members"
"""The option that makes a server a group of others, see `omnisql_server.manage.groups`."""


def secret_options(connector: Connector) -> tuple[str, ...]:
    """Name the options that are secrets."""
    return tuple(option.name for option in connector.options if option.secret)


def server_options(connector: Connector) -> tuple[str, ...]:
    """Name the options of a server: the connector's, how old its rows may be, and what makes it a group."""
    return (*(option.name for option in connector.options if not option.secret), *FRESHNESS_OPTIONS, MEMBERS)


def mapping_options(connector: Connector) -> tuple[str, ...]:
    """Name the options of a user mapping: secrets, and what may differ from user to user."""
    return (
        *secret_options(connector),
        *(option.name for option in connector.options if not option.secret and not option.audience),
    )


def refuse_unknown(changes: Iterable[OptionChange], known: tuple[str, ...]) -> None:
    """Refuse an option that is not known, in the words of the wrappers' validators.

    Raises:
        SourceOptionInvalid: HV00D.
    """
    for change in changes:
        if change.name not in known:
            hint = f"Known options are: {', '.join(known)}." if known else "No options are known here."
            raise SourceOptionInvalid(message=f'invalid option "{change.name}"', hint=hint)


def refuse_no_duration(changes: Iterable[OptionChange]) -> None:
    """Refuse a bound on the age of rows that is no duration.

    Raises:
        SourceOptionInvalid: HV00D.
    """
    for change in changes:
        if change.name in FRESHNESS_OPTIONS and change.value is not None and duration_us(change.value) is None:
            raise SourceOptionInvalid(
                message=f'option "{change.name}" is not a duration', hint=f"Write {DURATION_WORDS}."
            )


def refuse_secrets(changes: Iterable[OptionChange], connector: Connector, server: str) -> None:
    """Refuse secrets among the options of a server.

    Raises:
        SourceOptionInvalid: HV00D.
    """
    for change in changes:
        if change.name in secret_options(connector):
            raise SourceOptionInvalid(
                message=f'option "{change.name}" is a secret and cannot be an option of a server',
                hint=f"CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS ({change.name} '...')",
            )


def changed(options: Mapping[str, str], changes: Iterable[OptionChange]) -> dict[str, str]:
    """Apply changes to options."""
    result = dict(options)
    for change in changes:
        if change.action is OptionAction.DROP:
            result.pop(change.name, None)
        else:
            result[change.name] = change.value or ""
    return result


def audience(connector: Connector, server: str, options: Mapping[str, str]) -> str:
    """Return where a server's secrets go: scheme, host and port of its address, or what its connector says instead.

    Raises:
        SourceOptionInvalid, OptionInvalid: HV00D, there is no valid address.
    """
    found = []
    for option in connector.options:
        if not option.audience:
            continue
        value = options.get(option.name, option.default)
        if not value and not option.required and option.leads_to is not None:
            found.append("-")
            continue
        if not value:
            raise SourceOptionInvalid(
                message=f'server "{server}" lacks option {option.name}',
                detail=option.description,
                hint=f"Give it among the server's options: OPTIONS ({option.name} '...').",
            )
        leads_to = option.leads_to or _origin
        found.append(leads_to(value, server))
    return " ".join(found)


def _origin(value: str, server: str) -> str:
    return audience_of(checked_base_url(value, server))


def lacking_secrets(connector: Connector, given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of secrets without which a source of a connector cannot log in; empty values count as none."""
    found = [name for name, value in given.items() if value]
    required = [option.name for option in connector.options if option.secret and option.required]
    lacking = tuple(name for name in required if name not in found)
    if lacking or not isinstance(connector, DeclarativeConnector):
        return lacking
    return secrets_lacking(connector.loaded.manifest, found)
