"""`omnisql connector lint | test | record | drift | new | import | list`: manifests, for their authors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.text import Text

from connectors.capabilities import path_cells
from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import SUFFIX, Loaded, load_file
from connectors.drift import Answers, Drift, drift_of
from connectors.registry import all_connectors, connector_names, load, manifest_named, manifest_names
from connectors.sdk.connector import Source
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.settings import Surroundings
from connectors.starter import start
from omnisql_server.commands.connector_import import importing
from omnisql_server.commands.query import as_table
from omnisql_server.commands.secret_input import given_options, read_secrets
from omnisql_server.commands.terminal import ExitCode, output, run
from omnisql_server.config import load_settings
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.manage.options import secret_options
from omnisql_server.outbound import transport_settings

if TYPE_CHECKING:
    from connectors.trial import Trial

_Repeated = Annotated[tuple[str, ...], Parameter(negative="")]
FAILURES_SHOWN_MAX = 50

connector = App(name="connector", help="Check, prove, begin, import and list connectors that are manifests.")
connector.command(importing)


@connector.command
def lint(*files: Path) -> int:
    """Check manifests; what is wrong is shown as file:line:column.

    Parameters
    ----------
    files
        Manifests, such as pagerduty.yaml.
    """
    if not files:
        raise ConfigurationInvalid(message="no manifest is named", hint="See omnisql connector lint --help.")
    refused = 0
    for file in files:
        try:
            loaded = load(file)
        except ManifestInvalid as error:
            refused += 1
            line, column = error.place or (1, 1)
            _say(f"{file}:{line}:{column}: {error.plain or error.message}")
            for each in filter(None, (error.detail, error.hint)):
                _say(f"  {each}")
        else:
            _say(f"{file}: {loaded.manifest.title}, {len(loaded.tables)} tables")
    return ExitCode.FAILED if refused else ExitCode.OK


@connector.command(name="test")
def prove(
    name: str,
    /,
    *,
    folder: Path | None = None,
    table: _Repeated = (),
    live: bool = False,
    cassette: Path | None = None,
    option: _Repeated = (),
    secret_file: _Repeated = (),
) -> int:
    """Prove that a connector does what its manifest declares, and print what its tables can be asked for.

    Parameters
    ----------
    name
        Name of the connector.
    folder
        Where its manifest and its simulator, simulated_NAME.py, are; without it those that come with OmniSQL.
    table
        A table to prove; may be given several times. All of them without it.
    live
        Prove against the account that options and secrets lead to, not against the simulator; it is only read.
    cassette
        Prove against what omnisql connector record wrote into this file.
    option
        An option of the server, such as base_url=https://acme.example. May be given several times. Without --live
        those that are required have made-up values; a simulator's address is its own.
    secret_file
        With --live: a secret in a file, such as token=/run/secrets/token. Other secrets are asked for.
    """
    # Simulators are for proofs and demonstrations: nothing else of the server imports them.
    from connectors.cassettes.replaying import read_cassette, try_on_cassette
    from connectors.trial import proofs_of, simulator_for, try_on_simulator

    if live and cassette is not None:
        raise ConfigurationInvalid(message="--live and --cassette exclude each other")
    if secret_file and not live:
        raise ConfigurationInvalid(message="--secret-file is for --live")
    if option and cassette is not None:
        raise ConfigurationInvalid(message="--option is not for --cassette", hint="The cassette has its options.")
    loaded = _loaded(name, folder)
    if live:
        kind = DeclarativeConnector(loaded, transport_settings(load_settings(None)))
        trial = run(proofs_of(loaded, kind, _account("trial", kind, option, secret_file), table))
    elif cassette is not None:
        trial = run(try_on_cassette(loaded, read_cassette(cassette), table))
    else:
        options = given_options(option, tuple(loaded.manifest.secrets))
        if "base_url" in options:
            raise ConfigurationInvalid(message="a simulator's address is its own", hint="Leave out base_url.")
        trial = run(try_on_simulator(loaded, simulator_for(name, folder), table, options))
    _show_capabilities(loaded, tuple(each.table for each in trial.tables))
    if not live and cassette is None:
        _say_faults(trial)
    return _told(trial)


@connector.command
def record(
    name: str,
    /,
    *,
    cassette: Path,
    folder: Path | None = None,
    table: _Repeated = (),
    option: _Repeated = (),
    secret_file: _Repeated = (),
) -> int:
    """Prove a connector against an account and keep what it answers, without secrets, to be proved again from the file.

    Rows stay as they are: a cassette is as confidential as the account.

    Parameters
    ----------
    name
        Name of the connector.
    cassette
        The file to write, which is replaced if it is there.
    folder
        Where its manifest is; without it those that come with OmniSQL.
    table
        A table to record; may be given several times. All of them without it.
    option
        An option of the server, such as base_url=https://acme.example. May be given several times.
    secret_file
        A secret in a file, such as token=/run/secrets/token. Other secrets are asked for.
    """
    from connectors.cassettes.recording import recording
    from connectors.trial import proofs_of

    loaded = _loaded(name, folder)
    plain = DeclarativeConnector(loaded)
    source = _account("record", plain, option, secret_file)
    settings = transport_settings(load_settings(None))
    with recording(cassette, loaded, source, table, Surroundings().now_s) as tape:
        kind = DeclarativeConnector(loaded, settings, tape.surroundings)
        trial = run(proofs_of(loaded, kind, source, table))
    _say(f"{tape.answer_count} answers of {len(trial.tables)} tables in {cassette}")
    return _told(trial)


def _told(trial: Trial) -> int:
    rows = [(each.table, each.row_count, each.proof.check_count, len(each.proof.failures)) for each in trial.tables]
    titles = [("table", False), ("rows", True), ("checks", True), ("failures", True)]
    output().print(as_table(titles, rows))
    for gap in [gap for each in trial.tables for gap in each.gaps][:FAILURES_SHOWN_MAX]:
        _say(f"not proved: {gap}")
    for claim in trial.failures[:FAILURES_SHOWN_MAX]:
        _say(f"not so: {claim}")
    return ExitCode.FAILED if trial.failures else ExitCode.OK


def _account(tenant: str, kind: DeclarativeConnector, option: tuple[str, ...], secret_file: tuple[str, ...]) -> Source:
    return Source(
        tenant=tenant,
        server=tenant,
        connector=kind.name,
        options=given_options(option, secret_options(kind)),
        secrets=read_secrets(kind, secret_file),
    )


@connector.command
def drift(name: str, /, *, folder: Path | None = None, option: _Repeated = (), secret_file: _Repeated = ()) -> int:
    """Read a little of every table of a live account and tell where its answers contradict the manifest.

    Made to be run daily: the exit status is 1 where something contradicts. Doubts, and fields that are new, are told.

    Parameters
    ----------
    name
        Name of the connector.
    folder
        Where its manifest is; without it those that come with OmniSQL.
    option
        An option of the server, such as base_url=https://acme.example. May be given several times.
    secret_file
        A secret in a file, such as token=/run/secrets/token. Other secrets are asked for.
    """
    loaded = _loaded(name, folder)
    answers = Answers()
    kind = DeclarativeConnector(loaded, transport_settings(load_settings(None)), Surroundings(witness=answers.see))
    source = _account("drift", kind, option, secret_file)

    async def work() -> list[Drift]:
        connection = await kind.connect(source)
        try:
            return await drift_of(loaded, connection, QUIET_CONTEXT, answers)
        finally:
            await connection.disconnect()

    found = run(work())
    for each in found:
        _say(
            f"{'contradicts' if each.is_breaking else 'new' if each.is_new else 'doubtful'}: {each.table}: {each.text}"
        )
    _say(f"{len(loaded.tables)} tables of version {loaded.manifest.version} compared")
    return ExitCode.FAILED if any(each.is_breaking for each in found) else ExitCode.OK


@connector.command
def new(name: str, /, *, folder: Path = Path()) -> int:
    """Begin a connector: a manifest, a simulator and a test that pass as they are, to be changed step by step.

    Parameters
    ----------
    name
        Its name, which the foreign-data wrapper has too.
    folder
        Where to write NAME.yaml, simulated_NAME.py and test_NAME.py; here without it.
    """
    for file in start(name, folder, connector_names()):
        _say(f"written: {file}")
    _say(f"next: omnisql connector test {name} --folder {folder}")
    return ExitCode.OK


@connector.command(name="list")
def list_() -> int:
    """List the connectors there are."""
    manifests = set(manifest_names())
    rows = [
        (
            each.name,
            manifest_named(each.name).manifest.title if each.name in manifests else "",
            "manifest" if each.name in manifests else "Python",
            len(each.tables),
        )
        for each in all_connectors()
    ]
    output().print(as_table([("connector", False), ("title", False), ("kind", False), ("tables", True)], rows))
    return ExitCode.OK


def _loaded(name: str, folder: Path | None) -> Loaded:
    if folder is not None:
        return load_file(folder / f"{name}{SUFFIX}")
    if name in manifest_names():
        return manifest_named(name)
    if name in connector_names():
        raise ConfigurationInvalid(
            message=f"connector {name} is written in Python", hint="Its proofs are in tests/conformance."
        )
    raise ConfigurationInvalid(
        message=f"there is no connector {name}", hint=f"There are {', '.join(connector_names())}; or give --folder."
    )


def _show_capabilities(loaded: Loaded, tables: tuple[str, ...]) -> None:
    for name in tables or loaded.tables:
        _say(name)
        for path in loaded.tables[name].table.access_paths:
            _, request, keys, *others = path_cells(path)
            _say(f"  {path.name}: {request}{f', keys {keys}' if keys else ''}")
            for title, text in zip(("pushed down", "order", "pages"), others, strict=True):
                if text:
                    _say(f"    {title}: {text}")


def _say_faults(trial: Trial) -> None:
    if trial.faults is None:
        _say("faults: not tried: no listing has more rows than fit two small pages; let the simulator have more")
        return
    _say(f"faults: {len(trial.faults.taken)} tried, {len(trial.faults.wrong)} taken wrongly")
    for name, taken in trial.faults.taken.items():
        _say(f"  {name}: {taken}")


def _say(text: str) -> None:
    output().print(Text(text))
