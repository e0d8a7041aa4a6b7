"""The authenticator that a manifest and a source's options ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from connectors.declarative.auths import (
    BasicAuthentication,
    GitHubApp,
    HeaderAuth,
    JwtBearerGrant,
    OAuthGrant,
    TokenPoolAuth,
    auth_texts,
)
from connectors.declarative.checks import PLACEHOLDER, placeholders
from connectors.declarative.manifest import Manifest
from connectors.sdk.assertions import Claims, JwtBearer, rsa_key
from connectors.sdk.auth import Authenticator, BasicAuth, Grant, OAuth2, OpenAccess, TokenAuth, kept_by_this_process
from connectors.sdk.connector import Source
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.installations import AppInstallation
from connectors.sdk.pool import TOKENS_MAX, TokenPool, tokens_of
from connectors.sdk.settings import Surroundings, TransportSettings
from connectors.sdk.tokens import SharedTokens
from connectors.sdk.transport import post_form


def authenticator(
    manifest: Manifest,
    values: Mapping[str, str],
    server: str,
    settings: TransportSettings | None,
    surroundings: Surroundings | None,
) -> Authenticator:
    """Return the first way to prove oneself whose placeholders all have values.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is none, or a key or a list of tokens is malformed.
    """

    def filled(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: values[match.group(1)], text)

    if not manifest.auth:
        return OpenAccess()
    for auth in manifest.auth:
        if not all(name in values for text in auth_texts(auth) for name in placeholders(text)):
            continue
        if isinstance(auth, HeaderAuth):
            return TokenAuth(filled(auth.value), header=auth.header, prefix="")
        if isinstance(auth, BasicAuthentication):
            return BasicAuth(filled(auth.user), filled(auth.password))
        if isinstance(auth, TokenPoolAuth):
            return _pool(auth, filled(auth.tokens), server, surroundings or Surroundings())
        return _granted(auth, filled, values["base_url"].rstrip("/"), server, settings, surroundings)
    ways = [" and ".join(PLACEHOLDER.findall(" ".join(auth_texts(auth)))) for auth in manifest.auth]
    raise OptionInvalid(message=f'server "{server}" has no credential', hint=f"Give {', or '.join(ways)}.")


def credential(
    manifest: Manifest,
    values: Mapping[str, str],
    source: Source,
    settings: TransportSettings | None,
    surroundings: Surroundings | None,
    tokens: SharedTokens,
) -> Authenticator:
    """Return the authenticator of a source; connections of one credential share what is got or learned by it.

    Raises:
        OptionInvalid: SQLSTATE HV00D, there is no credential, or it is malformed.
    """
    make = partial(authenticator, manifest, values, source.server, settings, surroundings)
    is_plain = all(isinstance(auth, HeaderAuth | BasicAuthentication) for auth in manifest.auth)
    return make() if is_plain else tokens.share(source, values, make)


def secrets_lacking(manifest: Manifest, given: Collection[str]) -> tuple[str, ...]:
    """Return the secrets that the first way to prove oneself lacks, none where one of the ways has all of its own."""
    wanted = [
        [name for text in auth_texts(auth) for name in placeholders(text) if name in manifest.secrets]
        for auth in manifest.auth
    ]
    if not wanted or any(set(names) <= set(given) for names in wanted):
        return ()
    return tuple(name for name in manifest.secrets if name in wanted[0] and name not in given)


def _granted(
    auth: OAuthGrant | JwtBearerGrant | GitHubApp,
    filled: Callable[[str], str],
    base_url: str,
    server: str,
    settings: TransportSettings | None,
    surroundings: Surroundings | None,
) -> Authenticator:
    post = partial(post_form, server=server, settings=settings, surroundings=surroundings)
    now_s = (surroundings or Surroundings()).now_s
    token_url = f"{base_url}{filled(auth.token_path)}"
    if isinstance(auth, OAuthGrant):
        return OAuth2(
            grant=Grant(
                server=server,
                token_url=token_url,
                client_id=filled(auth.client_id),
                client_secret=filled(auth.client_secret),
                scope=filled(auth.scope) if auth.scope else None,
            ),
            refresh_token=filled(auth.refresh_token) if auth.refresh_token else None,
            post_form=post,
            persist=kept_by_this_process,
        )
    private_key = rsa_key(filled(auth.private_key), server=server, option="private_key")
    if isinstance(auth, GitHubApp):
        grant = Grant(server=server, token_url=token_url, client_id=filled(auth.app_id), client_secret="")
        return AppInstallation(grant=grant, private_key=private_key, post=post, now_s=now_s)
    return JwtBearer(
        grant=Grant(server=server, token_url=token_url, client_id=filled(auth.issuer), client_secret=""),
        claims=Claims(issuer=filled(auth.issuer), subject=filled(auth.subject), audience=filled(auth.audience)),
        private_key=private_key,
        post_form=post,
        now_s=now_s,
    )


def _pool(auth: TokenPoolAuth, text: str, server: str, surroundings: Surroundings) -> TokenPool:
    tokens = tokens_of(text)
    if not 0 < len(tokens) <= TOKENS_MAX:
        raise OptionInvalid(
            message=f'the tokens of server "{server}" are not 1 to {TOKENS_MAX}',
            hint="Write them with blanks, commas or line ends between.",
        )
    return TokenPool(
        tokens, server=server, clock_s=surroundings.now_s, reserve=auth.reserve, header=auth.header, prefix=auth.prefix
    )
