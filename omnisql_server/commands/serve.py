"""`omnisql serve`: a server with the settings of a file and of the environment."""

from __future__ import annotations

from pathlib import Path

from omnisql_server.commands.terminal import run
from omnisql_server.config import load_settings
from omnisql_server.core_files import refuse_core_files


def serve(*, config: Path | None = None) -> int:
    """Serve PostgreSQL clients until SIGINT or SIGTERM; SIGHUP reads the settings again.

    Parameters
    ----------
    config
        YAML file of settings. Variables named OMNISQL_<SECTION>_<FIELD> win over it.
    """
    refuse_core_files()
    settings = load_settings(config)
    # Loading the engine takes a second, which the other commands need not pay.
    from omnisql_server.app import serve as serve_app

    run(serve_app(settings, read=lambda: load_settings(config)))
    return 0
