"""`omnisql tenant token`: API tokens, which programs show in place of a password."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.table import Table
from rich.text import Text

from catalog.api_tokens import new_token, token_digest, token_id
from omnisql_server.admin.tokens import TokenState
from omnisql_server.commands.tenant import perform
from omnisql_server.commands.terminal import ExitCode, output

token = App(name="token", help="API tokens of a tenant's users.")


@token.command
def create(
    name: str,
    user: str,
    /,
    *,
    description: str = "",
    days: int = 90,
    role: str | None = None,
    source: tuple[str, ...] = (),
    read_only: bool = False,
    config: Path | None = None,
) -> int:
    """Make an API token and show it, once: the server keeps no more than its digest.

    Parameters
    ----------
    name
        The tenant.
    user
        The user whose sessions the token opens.
    description
        What it is for, so that it is known which to revoke.
    days
        How long it counts.
    role
        Role that its sessions run as: one with LOGIN that the user is a member of.
    source
        Server whose API tables it may read; may be given more than once. Without it all that the user may read.
    read_only
        Whether its sessions may write nothing.
    config
        YAML file of settings, as for `serve`.
    """
    made = new_token()
    arguments = {
        "name": name,
        "user": user,
        "token": token_id(made),
        "digest": token_digest(made).hex(),
        "description": description,
        "days": days,
        "role": role,
        "sources": list(source) or None,
        "read_only": read_only,
    }
    perform(config, "create_token", arguments)
    output().print(Text(made), soft_wrap=True)
    return ExitCode.OK


@token.command(name="list")
def list_tokens(name: str, /, *, config: Path | None = None) -> int:
    """List a tenant's API tokens."""
    (state,) = perform(config, "tokens", {"name": name})
    _show(state.tokens)
    return ExitCode.OK


@token.command
def revoke(name: str, token_name: str, /, *, config: Path | None = None) -> int:
    """Have an API token count no more, and end the sessions it opened.

    Parameters
    ----------
    name
        The tenant.
    token_name
        The token's id, as `list` shows it.
    config
        YAML file of settings, as for `serve`.
    """
    perform(config, "revoke_token", {"name": name, "token": token_name})
    output().print(Text(f"token {token_name} counts no more"))
    return ExitCode.OK


def _show(tokens: tuple[TokenState, ...]) -> None:
    table = Table(header_style="bold")
    for title in ("id", "user", "for", "scope", "expires", "last used", "state"):
        table.add_column(title, overflow="fold")
    for each in tokens:
        scope = [each.role and f"role {each.role}", *each.sources, "read only" if each.read_only else ""]
        state = f"revoked {each.revoked_at}" if each.revoked_at else "counts" if each.user else "its user is gone"
        cells = (each.id, each.user, each.description, ", ".join(filter(None, scope)) or "all")
        table.add_row(*(Text(cell) for cell in (*cells, each.expires_at, each.last_used_at or "never", state)))
    output().print(table)
