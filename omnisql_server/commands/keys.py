"""`omnisql keys`: the keys that tenants' data keys are wrapped under."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.text import Text

from omnisql_server.commands.tenant import perform
from omnisql_server.commands.terminal import ExitCode, output

keys = App(name="keys", help="Rotate the keys of tenants.")


@keys.command
def rotate(name: str | None = None, /, *, config: Path | None = None) -> int:
    """Wrap the data key of one tenant, or of all, under a new key, and destroy the old one.

    Where a key server is configured, keys that were in files move to it.

    Parameters
    ----------
    name
        The tenant; all of them without it.
    config
        YAML file of settings, as for `serve`.
    """
    rotated = perform(config, "rotate_keys", {"name": name} if name is not None else {})
    output().print(Text(f"rotated: {', '.join(each.name for each in rotated) or 'nothing'}"))
    return ExitCode.OK
