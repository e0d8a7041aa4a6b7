"""The authenticator that a manifest and a source's options ask for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from connectors.declarative.auths import HeaderAuth, OAuthGrant, auth_texts
from connectors.declarative.checks import PLACEHOLDER, placeholders
from connectors.declarative.manifest import Manifest
from connectors.sdk.auth import Authenticator, BasicAuth, Grant, OAuth2, OpenAccess, TokenAuth, kept_by_this_process
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.settings import Surroundings, TransportSettings
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
        OptionInvalid: SQLSTATE HV00D, there is none.
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
        if isinstance(auth, OAuthGrant):
            return OAuth2(
                grant=Grant(
                    server=server,
                    token_url=f"{values['base_url'].rstrip('/')}{auth.token_path}",
                    client_id=filled(auth.client_id),
                    client_secret=filled(auth.client_secret),
                    scope=filled(auth.scope) if auth.scope else None,
                ),
                refresh_token=filled(auth.refresh_token) if auth.refresh_token else None,
                post_form=partial(post_form, server=server, settings=settings, surroundings=surroundings),
                persist=kept_by_this_process,
            )
        return BasicAuth(filled(auth.user), filled(auth.password))
    ways = [" and ".join(PLACEHOLDER.findall(" ".join(auth_texts(auth)))) for auth in manifest.auth]
    raise OptionInvalid(message=f'server "{server}" has no credential', hint=f"Give {', or '.join(ways)}.")
