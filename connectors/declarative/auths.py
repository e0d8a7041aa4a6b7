"""The nouns of a manifest that say how an account proves who it is."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from connectors.declarative.pages import Declared


class HeaderAuth(Declared, frozen=True, kw_only=True, tag_field="kind", tag="header"):
    """A secret in a header."""

    value: Annotated[str, Meta(description="The header's value with {secret} placeholders, like Bearer {token}.")]
    header: str = "Authorization"


class BasicAuthentication(Declared, frozen=True, kw_only=True, tag_field="kind", tag="basic"):
    """A user name and a password (RFC 7617)."""

    user: Annotated[str, Meta(description="With {option} and {secret} placeholders.")]
    password: Annotated[str, Meta(description="With {secret} placeholders; may be empty.")]


class OAuthGrant(Declared, frozen=True, kw_only=True, tag_field="kind", tag="oauth2"):
    """An access token that is got, and got again, from the source's token endpoint (RFC 6749)."""

    grant: Annotated[
        Literal["refresh_token", "client_credentials"],
        Meta(description="What it is got for; a refresh token that the source replaces is kept by this process only."),
    ]
    token_path: Annotated[
        Annotated[str, Meta(pattern="^/")], Meta(description="Path of the token endpoint below base_url.")
    ]
    client_id: Annotated[str, Meta(description="With {option} and {secret} placeholders.")]
    client_secret: Annotated[str, Meta(description="With {secret} placeholders.")]
    refresh_token: Annotated[str | None, Meta(description="With {secret} placeholders, for grant refresh_token.")] = (
        None
    )
    scope: Annotated[str | None, Meta(description="What is asked for, with {option} placeholders.")] = None


Auth = HeaderAuth | BasicAuthentication | OAuthGrant


def auth_texts(auth: Auth) -> tuple[str, ...]:
    """Return the texts of a way to prove oneself that may hold placeholders, those it can do without left out."""
    if isinstance(auth, HeaderAuth):
        return (auth.value,)
    if isinstance(auth, BasicAuthentication):
        return (auth.user, auth.password)
    return tuple(text for text in (auth.client_id, auth.client_secret, auth.refresh_token, auth.scope) if text)
