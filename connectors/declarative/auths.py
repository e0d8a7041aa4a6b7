"""The nouns of a manifest that say how an account proves who it is."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from connectors.declarative.pages import Declared


class HeaderAuth(Declared, frozen=True, kw_only=True, tag_field="kind", tag="header"):
    """A secret in a header."""

    value: Annotated[str, Meta(description="The header's value with {secret} placeholders, like Bearer {token}.")]
    header: Annotated[str, Meta(description="The header's name.")] = "Authorization"


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


class JwtBearerGrant(Declared, frozen=True, kw_only=True, tag_field="kind", tag="jwt_bearer"):
    """An access token that is got for an assertion, signed by RS256 (RFC 7523)."""

    token_path: Annotated[
        Annotated[str, Meta(pattern="^/")], Meta(description="Path of the token endpoint below base_url.")
    ]
    issuer: Annotated[str, Meta(description="Who vouches, mostly the client's id, with {option} placeholders.")]
    subject: Annotated[str, Meta(description="For whom, with {option} placeholders.")]
    audience: Annotated[str, Meta(description="To whom, with {option} placeholders; base_url is one here.")]
    private_key: Annotated[str, Meta(description="An RSA key in PEM, with a {secret} placeholder.")]


class GitHubApp(Declared, frozen=True, kw_only=True, tag_field="kind", tag="github_app"):
    """A token of an installation of a GitHub App, got for an assertion that the app signs, and again in time."""

    token_path: Annotated[
        Annotated[str, Meta(pattern="^/")], Meta(description="Where it is got below base_url, with {option} in braces.")
    ]
    app_id: Annotated[str, Meta(description="The app's id or client id, with {option} placeholders.")]
    private_key: Annotated[str, Meta(description="An RSA key in PEM, with a {secret} placeholder.")]


class TokenPoolAuth(Declared, frozen=True, kw_only=True, tag_field="kind", tag="pool"):
    """Several tokens that see the same: the one with most of its rate limit left is sent."""

    tokens: Annotated[str, Meta(description="A {secret}: tokens with blanks, commas or line ends between.")]
    header: Annotated[str, Meta(description="The header that has the token.")] = "Authorization"
    prefix: Annotated[str, Meta(description="What stands before the token.")] = "Bearer "
    reserve: Annotated[int, Meta(description="Requests of each token that are left to others.", ge=0)] = 0


Auth = HeaderAuth | BasicAuthentication | OAuthGrant | JwtBearerGrant | GitHubApp | TokenPoolAuth


def auth_texts(auth: Auth) -> tuple[str, ...]:
    """Return the texts of a way to prove oneself that may hold placeholders, those it can do without left out."""
    if isinstance(auth, HeaderAuth):
        return (auth.value,)
    if isinstance(auth, BasicAuthentication):
        return (auth.user, auth.password)
    if isinstance(auth, JwtBearerGrant):
        return (auth.issuer, auth.subject, auth.audience, auth.private_key)
    if isinstance(auth, GitHubApp):
        return (auth.token_path, auth.app_id, auth.private_key)
    if isinstance(auth, TokenPoolAuth):
        return (auth.tokens,)
    return tuple(text for text in (auth.client_id, auth.client_secret, auth.refresh_token, auth.scope) if text)
