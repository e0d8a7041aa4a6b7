"""`omnisql demo`: a server with simulated sources on this machine, ready for queries in a few seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from omnisql_server.commands.terminal import run
from omnisql_server.config import load_settings
from omnisql_server.core_files import refuse_core_files

DEMO_DIRECTORY = Path("omnisql-demo")


def demo(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 5433,
    data: Path = DEMO_DIRECTORY,
    issues: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))] = 5000,
    ready_file: Path | None = None,
) -> int:
    """Serve a demonstration over simulated APIs until SIGINT or SIGTERM.

    Accounts found in GITHUB_TOKEN, JIRA_BASE_URL, JIRA_EMAIL and JIRA_API_TOKEN become live sources beside them.

    Parameters
    ----------
    port
        TCP port to listen on; 0 takes a free one.
    data
        Directory for the demonstration's data; it may be deleted afterwards.
    issues
        Number of issues that the simulated company has.
    ready_file
        File to write, as JSON, once queries are answered.
    """
    from omnisql_server.demo import run_demo

    refuse_core_files()
    settings = load_settings()
    settings = replace(
        settings,
        listener=replace(settings.listener, port=port),
        data=replace(settings.data, directory=data.expanduser()),
    )
    run(run_demo(settings, issues=issues, ready_file=ready_file))
    return 0
