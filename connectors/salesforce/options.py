"""The options of a Salesforce source, and the way it proves who it is that they add up to."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from yarl import URL

from connectors.sdk.assertions import Claims, JwtBearer, rsa_key
from connectors.sdk.auth import Authenticator, Grant, OAuth2, PostForm, TokenAnswer, TokenAuth, kept_by_this_process
from connectors.sdk.connector import Option
from connectors.sdk.errors import CredentialsRejected, OptionInvalid
from connectors.sdk.options import checked_base_url
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.transport import post_form

API_VERSION = "66.0"
API_VERSION_MIN = 45
LOGIN_URL = "https://login.salesforce.com"
OBJECTS_MAX = 200
_TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_VERSION = re.compile(r"v?([1-9][0-9]{1,2})(?:\.0)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}", re.ASCII)

OPTIONS = (
    Option(
        name="base_url",
        description="Address of the organization, its My Domain: https://NAME.my.salesforce.com.",
        required=True,
        audience=True,
    ),
    Option(name="api_version", description="Version of the REST API.", default=API_VERSION),
    Option(
        name="objects",
        description="API names of the objects that are tables, separated by commas; without it the standard ones and"
        " all custom ones.",
    ),
    Option(name="client_id", description="Consumer key of the connected app."),
    Option(name="username", description="The user that a private key signs for."),
    Option(name="login_url", description="Whom a private key signs to.", default=LOGIN_URL),
    Option(name="client_secret", description="Consumer secret of the connected app.", secret=True),
    Option(name="refresh_token", description="Refresh token of a user who authorized the app.", secret=True),
    Option(name="private_key", description="RSA key in PEM whose certificate the app has.", secret=True),
    Option(name="access_token", description="A session's own token; it ends with the session.", secret=True),
)


def api_version(text: str, server: str) -> str:
    """Return a version as paths have it, `66.0`.

    Raises:
        OptionInvalid: SQLSTATE HV00D, it is none, or one that lacks what is used here.
    """
    found = _VERSION.fullmatch(text)
    if found is None or int(found[1]) < API_VERSION_MIN:
        raise OptionInvalid(
            message=f'option api_version of server "{server}" is not a version of the API',
            hint=f"Write it like {API_VERSION}; {API_VERSION_MIN}.0 is the first that will do.",
        )
    return f"{found[1]}.0"


def wanted_objects(text: str | None, server: str) -> tuple[str, ...] | None:
    """Return the API names of the objects that are to be tables, None when the source decides.

    Raises:
        OptionInvalid: SQLSTATE HV00D, one of them cannot be an API name, or there are too many.
    """
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    wrong = [name for name in names if _NAME.fullmatch(name) is None]
    if wrong or len(names) > OBJECTS_MAX:
        raise OptionInvalid(
            message=f'option objects of server "{server}" is not a list of objects',
            detail=f"{len(names)} names, {len(wrong)} of them are no API names.",
            hint=f"Write up to {OBJECTS_MAX} like Account,Invoice__c.",
        )
    return names


def authenticator(
    values: Mapping[str, str],
    server: str,
    settings: TransportSettings | None,
    surroundings: Surroundings | None,
) -> Authenticator:
    """Return how the source proves who it is: by a signature, a refresh token, the app's own secret, or a given token.

    Raises:
        OptionInvalid: SQLSTATE HV00D, a credential lacks a part, or there is none.
    """
    poster = _checked(
        partial(post_form, server=server, settings=settings, surroundings=surroundings), values["base_url"], server
    )
    if "private_key" in values:
        _require(values, server, "private_key", "client_id", "username")
        return JwtBearer(
            grant=_grant(values, server),
            claims=Claims(
                issuer=values["client_id"], subject=values["username"], audience=values["login_url"].rstrip("/")
            ),
            private_key=rsa_key(values["private_key"], server=server, option="private_key"),
            post_form=poster,
            now_s=(surroundings or Surroundings()).now_s,
        )
    if "refresh_token" in values or "client_secret" in values:
        _require(values, server, "refresh_token" if "refresh_token" in values else "client_secret", "client_id")
        return OAuth2(
            grant=_grant(values, server),
            refresh_token=values.get("refresh_token"),
            post_form=poster,
            persist=kept_by_this_process,
        )
    if "access_token" in values:
        return TokenAuth(values["access_token"])
    raise OptionInvalid(
        message=f'server "{server}" has no credential',
        hint="Give private_key, refresh_token, client_secret or access_token in a user mapping of the server.",
    )


def _grant(values: Mapping[str, str], server: str) -> Grant:
    return Grant(
        server=server,
        token_url=values["base_url"].rstrip("/") + _TOKEN_PATH,
        client_id=values["client_id"],
        client_secret=values.get("client_secret", ""),
    )


def _require(values: Mapping[str, str], server: str, secret: str, *names: str) -> None:
    lacking = [name for name in names if name not in values]
    if lacking:
        raise OptionInvalid(
            message=f'server "{server}" lacks option {lacking[0]}',
            detail=f"Secret {secret} proves nothing without it.",
            hint=f"ALTER SERVER {server} OPTIONS (ADD {lacking[0]} '...')",
        )


def _checked(post: Callable[[str, Mapping[str, str]], Awaitable[TokenAnswer]], base_url: str, server: str) -> PostForm:
    """Post without what is not given, and take no token that is for another address than the source's own."""

    async def posted(url: str, fields: Mapping[str, str]) -> TokenAnswer:
        answer = await post(url, {name: text for name, text in fields.items() if text})
        instance = answer.body.get("instance_url")
        if answer.status < 300 and isinstance(instance, str):
            _require_same_origin(instance, base_url, server)
        return answer

    return posted


def _require_same_origin(instance: str, base_url: str, server: str) -> None:
    # Whose token this is, its requests go to that host. A credential goes to the address that it was given for alone,
    # so that the address has to be put right by whoever gave it.
    try:
        told = URL(checked_base_url(instance, server)).origin()
    except OptionInvalid:
        told = None
    if told != URL(base_url).origin():
        raise CredentialsRejected(
            message=f'CREDENTIALS_REJECTED: the account of server "{server}" is at another address than its base_url',
            hint=f"ALTER SERVER {server} OPTIONS (SET base_url '{told or '...'}'), then give the credential again.",
        )
