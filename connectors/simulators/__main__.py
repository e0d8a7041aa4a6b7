"""Runs one simulator as a process of its own until it is told to stop: `python -m connectors.simulators`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from connectors.simulators.catalogue import EMAIL, NAMES, simulator_in, simulator_of
from connectors.simulators.company import Company, build_company
from connectors.simulators.company.build import DEFAULT_EPOCH
from connectors.simulators.running import RunningSimulator, start_simulator


def parser() -> argparse.ArgumentParser:
    """Return the command line; its default credentials open nothing but the simulator."""
    line = argparse.ArgumentParser(prog="python -m connectors.simulators", description=__doc__)
    line.add_argument("--connector", required=True, help=f"{', '.join(NAMES)}, or with --folder one of your own")
    line.add_argument("--folder", type=Path, help="where simulated_NAME.py of a connector of your own is")
    line.add_argument("--host", default="127.0.0.1")
    line.add_argument("--port", type=int, default=0, help="0 takes a free port")
    line.add_argument("--issues", type=int, default=5000, help="size of the company, 50 to 200000")
    line.add_argument("--seed", type=int, default=1)
    line.add_argument("--epoch", default=DEFAULT_EPOCH.isoformat(), help="the company's present, ISO 8601")
    line.add_argument("--token", default="simulated-token", help="the token, of GitHub or of the Jira user")
    line.add_argument("--email", default=EMAIL, help="the Jira user")
    line.add_argument("--ready-file", type=Path, help="written with base_url, port and pid once requests are answered")
    return line


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGINT or SIGTERM."""
    epoch = datetime.fromisoformat(arguments.epoch)
    company = build_company(
        issues=arguments.issues, seed=arguments.seed, epoch=epoch if epoch.tzinfo else epoch.replace(tzinfo=UTC)
    )
    application = _application(arguments, company)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    running = await start_simulator(application, arguments.host, arguments.port)
    try:
        _tell(running, arguments.ready_file)
        await stopped.wait()
    finally:
        await running.stop()


def _application(arguments: argparse.Namespace, company: Company) -> web.Application:
    name, folder = arguments.connector, arguments.folder
    if folder is None:
        if name not in NAMES:
            parser().error(f"there is no simulator {name}; there are {', '.join(NAMES)}, or give --folder")
        return simulator_of(name, company, token=arguments.token, email=arguments.email)
    make = simulator_in(folder, name)
    if make is None:
        parser().error(f"there is no file {folder / f'simulated_{name}.py'}")
    return make(company, token=arguments.token)


def _tell(running: RunningSimulator, ready_file: Path | None) -> None:
    """Write where the simulator is to the file, if there is one, and as a line to the standard output."""
    line = json.dumps({"base_url": running.base_url, "port": running.port, "pid": os.getpid()})
    if ready_file is not None:
        # Renamed into place, so that whoever waits for the file never reads half of it.
        draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        draft.write_text(line)
        draft.replace(ready_file)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    asyncio.run(serve(parser().parse_args(arguments)))


if __name__ == "__main__":
    main()
