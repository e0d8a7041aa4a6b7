"""The options of a source, checked against what its connector declares. Pure."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from connectors.sdk.addresses import is_plain_host
from connectors.sdk.connector import Option, Source
from connectors.sdk.errors import OptionInvalid


def checked_options(declared: tuple[Option, ...], source: Source) -> dict[str, str]:
    """Return every option with its value or default; secret ones come from the source's secrets.

    Raises:
        OptionInvalid: SQLSTATE HV00D, an option is unknown, missing or misplaced.
    """
    by_name = {option.name: option for option in declared}
    for given, secret in ((source.options, False), (source.secrets, True)):
        for name in given:
            if name not in by_name or by_name[name].secret is not secret:
                raise OptionInvalid(
                    message=f'server "{source.server}" has no {"secret" if secret else "option"} {name}',
                    hint=f"It takes {', '.join(option.name for option in declared if option.secret is secret)}.",
                )
    values: dict[str, str] = {}
    for option in declared:
        value = (source.secrets if option.secret else source.options).get(option.name) or option.default
        if value:
            values[option.name] = value
        elif option.required:
            raise OptionInvalid(
                message=f'server "{source.server}" lacks option {option.name}', detail=option.description
            )
    return values


def checked_base_url(text: str, server: str) -> str:
    """Return a base URL without a trailing slash.

    Raises:
        OptionInvalid: SQLSTATE HV00D, it is not a plain http or https address, or its host can be read in two ways.
    """
    try:
        parts = urlsplit(text)
        plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        plain = False
    else:
        plain = plain and not (parts.username or parts.password or parts.query or parts.fragment)
    if not plain or any(character.isspace() for character in text):
        raise OptionInvalid(
            message=f'option base_url of server "{server}" is not an address',
            hint="Write it like https://api.example.com, without user, query and fragment.",
        )
    if not _names_plain_host(parts):
        raise OptionInvalid(
            message=f'option base_url of server "{server}" does not spell its host plainly',
            hint="Write a name in ASCII (xn--... for others), or an address in its usual form, like 192.0.2.1.",
        )
    return text.rstrip("/")


def _names_plain_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    # Parsers differ over what stands beside a bracket, so nothing but the host and a port may stand there.
    written = f"[{host}]" if ":" in host else host
    beside = parts.netloc.lower().removeprefix(written)
    return is_plain_host(host) and re.fullmatch(r"(?::[0-9]+)?", beside, re.ASCII) is not None
