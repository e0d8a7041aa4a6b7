"""`omnisql tenant log-in`: how a tenant's users may log in beside passwords."""

from __future__ import annotations

from pathlib import Path

import yaml
from cyclopts import App
from rich.text import Text

from omnisql_server.commands.tenant import perform
from omnisql_server.commands.terminal import ExitCode, output
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.identity.rules import parse_rules

log_in = App(name="log-in", help="A tenant's rules for log-ins: identity provider, certificates, whom to ask for what.")


@log_in.command
def show(name: str, /, *, config: Path | None = None) -> int:
    """Show a tenant's rules for log-ins as YAML."""
    (state,) = perform(config, "log_in_rules", {"name": name})
    text = yaml.safe_dump(dict(state.log_in), sort_keys=False) if state.log_in else "passwords alone count\n"
    output().print(Text(text), end="", soft_wrap=True)
    return ExitCode.OK


@log_in.command(name="set")
def set_rules(name: str, file: Path, /, *, config: Path | None = None) -> int:
    """Replace a tenant's rules for log-ins by those of a YAML file; they count for the next log-in.

    Parameters
    ----------
    name
        The tenant.
    file
        The rules; docs/authentication.md says what may stand in them.
    config
        YAML file of settings, as for `serve`.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationInvalid(message=f"the file {file} cannot be read", detail=str(error)) from error
    parse_rules(document, str(file))
    perform(config, "set_log_in_rules", {"name": name, "rules": document})
    output().print(Text(f"the rules of {name} count for the next log-in"))
    return ExitCode.OK


@log_in.command
def clear(name: str, /, *, config: Path | None = None) -> int:
    """Remove a tenant's rules for log-ins: passwords and API tokens alone count."""
    perform(config, "set_log_in_rules", {"name": name, "rules": {}})
    output().print(Text(f"passwords and API tokens alone count for {name}"))
    return ExitCode.OK
