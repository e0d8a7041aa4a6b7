"""Builds the settings of a server; the only reader of the environment.

Defaults come first, then a YAML file of two levels (section, field), then variables named OMNISQL_<SECTION>_<FIELD>.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.settings import (
    VARIABLE_PREFIX,
    ClusterSettings,
    DataSettings,
    DeclaredSetting,
    EngineSettings,
    FetchSettings,
    LimitSettings,
    ListenerSettings,
    NetworkSettings,
    PolicySettings,
    SessionSettings,
    Settings,
    TelemetrySettings,
    declared_settings,
    section_types,
)
from omnisql_server.settings_freshness import FreshnessSettings
from omnisql_server.settings_table import settings_table

__all__ = [
    "ClusterSettings",
    "DataSettings",
    "EngineSettings",
    "EnvironmentSources",
    "FetchSettings",
    "FreshnessSettings",
    "JiraAccount",
    "LimitSettings",
    "ListenerSettings",
    "NetworkSettings",
    "PolicySettings",
    "SessionSettings",
    "Settings",
    "TelemetrySettings",
    "client_dsn",
    "environment_sources",
    "load_settings",
    "settings_table",
]

DSN_DEFAULT = "postgresql://ana:demo@127.0.0.1:5433/acme"
FILE_BYTES_MAX = 1024 * 1024

# Section, field, value.
Given = tuple[str, str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraAccount:
    """A Jira Cloud site and the account that reads it."""

    base_url: str
    email: str
    api_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSources:
    """Accounts found in the environment, from which the demo makes live servers."""

    github_token: str | None = field(default=None, repr=False)
    jira: JiraAccount | None = None


def load_settings(file: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Build the settings from the defaults, then the file, then the environment (the process's own by default).

    Raises:
        ConfigurationInvalid: (F0000) a key is unknown or a value is not allowed; it says where.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, dict[str, object]] = {section: {} for section in section_types()}
    if file is not None:
        _put(values, _from_file(file))
    _put(values, _from_environment(variables))
    return Settings(**{section: kind(**values[section]) for section, kind in section_types().items()})


def environment_sources(environment: Mapping[str, str] | None = None) -> EnvironmentSources:
    """Read the accounts of live sources: GITHUB_TOKEN, and JIRA_BASE_URL with JIRA_EMAIL and JIRA_API_TOKEN.

    Raises:
        ConfigurationInvalid: (F0000) Jira is given in part.
    """
    variables = os.environ if environment is None else environment
    names = ("JIRA_BASE_URL", "JIRA_EMAIL", "JIRA_API_TOKEN")
    given = [variables.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, given, strict=True) if not value]
    if 0 < len(missing) < len(names):
        raise ConfigurationInvalid(
            message="the Jira account in the environment is incomplete",
            detail=f"Missing: {', '.join(missing)}.",
            hint=f"Set {', '.join(names)}, or none of them.",
        )
    jira = None if missing else JiraAccount(base_url=given[0], email=given[1], api_token=given[2])
    return EnvironmentSources(github_token=variables.get("GITHUB_TOKEN", "").strip() or None, jira=jira)


def client_dsn(environment: Mapping[str, str] | None = None) -> str:
    """Give the DSN that `omnisql query` uses when it is told none: OMNISQL_DSN, or the demo's."""
    return (os.environ if environment is None else environment).get("OMNISQL_DSN") or DSN_DEFAULT


def _put(values: dict[str, dict[str, object]], given: Iterable[Given]) -> None:
    for section, name, value in given:
        values[section][name] = value


def _from_file(file: Path) -> Iterator[Given]:
    declared = {each.key: each for each in declared_settings()}
    sections = section_types()
    for section, content in _mapping(_read(file), str(file)).items():
        if section not in sections:
            raise _unknown(str(section), f"in {file}", sections)
        for name, value in _mapping(content, f"{file}, {section}").items():
            each = declared.get(f"{section}.{name}")
            if each is None:
                known = [each.key for each in declared.values() if each.section == section]
                raise _unknown(f"{section}.{name}", f"in {file}", known)
            yield each.section, each.name, each.convert(value, f"in {file}")


def _from_environment(variables: Mapping[str, str]) -> Iterator[Given]:
    declared = {each.variable: each for each in declared_settings()}
    # A section's prefix is ours alone, so a name we do not know is a slip of the pen. Other names that begin with
    # OMNISQL_ are left alone: Kubernetes makes some for a service called omnisql.
    prefixes = tuple(f"{VARIABLE_PREFIX}{section}_".upper() for section in section_types())
    for variable in sorted(variables):
        each, text = declared.get(variable), variables[variable].strip()
        if each is not None and text:
            yield each.section, each.name, each.convert(_parsed(each, text), f"in {variable}")
        elif each is None and variable.startswith(prefixes):
            prefix = next(prefix for prefix in prefixes if variable.startswith(prefix))
            known = [name for name in declared if name.startswith(prefix)]
            raise _unknown(variable, "in the environment", known)


def _read(file: Path) -> object:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationInvalid(
            message="the configuration file cannot be read", detail=f"{file}: {error.strerror}."
        ) from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationInvalid(
            message="the configuration file is too large", detail=f"{file} has more than {FILE_BYTES_MAX} bytes."
        )
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        # The parser's own words may quote a secret from the file: its place says enough.
        raise ConfigurationInvalid(message="the configuration file is not YAML", detail=f"{file}{line}.") from None


def _mapping(content: object, where: str) -> Mapping[object, object]:
    if content is None:
        return {}
    if isinstance(content, dict):
        return content
    raise ConfigurationInvalid(
        message="the configuration file has a value where names are expected",
        detail=f"In {where}.",
        hint="Write names and values, such as `listener:` and below it `port: 5432`.",
    )


def _parsed(declared: DeclaredSetting, text: str) -> object:
    """Read a variable's text as the file would, except that text stays what it is."""
    if str in declared.kinds or Path in declared.kinds:
        return text
    try:
        value: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return value


def _unknown(key: str, where: str, known: Iterable[str]) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        message=f"setting {key} is unknown",
        detail=f"It stands {where}.",
        hint=f"Known here: {', '.join(known)}.",
    )
