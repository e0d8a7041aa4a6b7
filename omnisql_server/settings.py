"""The settings of a server as one frozen tree, validated when it is built. Pure values.

Each field carries its default, its range and one line of documentation, from which
`omnisql_server.settings_table` makes the reference. Where the values come from is `omnisql_server.config`'s business.
"""

# ruff: noqa: RUF009  `setting` only wraps `field`, so nothing mutable is shared.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.networks import HOSTS, NETWORKS, PROXY, SERVER, TextForm
from omnisql_server.setting import setting
from omnisql_server.settings_freshness import FreshnessSettings, WebhookSettings
from omnisql_server.settings_http import HttpSettings
from omnisql_server.settings_keys import KeySettings
from omnisql_server.settings_log_in import LogInSettings

VARIABLE_PREFIX = "OMNISQL_"
PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where clients connect, and the bounds of a connection."""

    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(5432, "TCP port to listen on; 0 takes a free one.", minimum=0, maximum=PORT_MAX)
    connections_max: int = setting(500, "Client connections at a time.", minimum=1, maximum=100_000)
    startup_timeout_s: float = setting(30.0, "Time for TLS, startup and log-in.", minimum=0.1, maximum=600)
    message_bytes_max: int = setting(
        64 * 1024 * 1024, "Largest message a client may send.", minimum=16_384, maximum=1024**3
    )
    client_buffer_bytes_max: int = setting(
        4 * 1024 * 1024, "Bytes waiting for a slow client before reading pauses.", minimum=65_536, maximum=1024**3
    )
    statement_timeout_max_s: float = setting(
        3600.0, "Longest a statement may take, whatever the client sets.", minimum=0.1, maximum=86_400
    )
    drain_timeout_s: float = setting(
        30.0, "Time for running statements to end when the server stops.", minimum=0, maximum=3600
    )
    tls_certificate_file: Path | None = setting(None, "Certificate chain in PEM form; turns TLS on.")
    tls_key_file: Path | None = setting(None, "Private key of the certificate in PEM form.")
    tls_client_ca_file: Path | None = setting(
        None, "Authorities in PEM form whose certificates log clients in, where a tenant's rules name none."
    )
    tls_client_crl_file: Path | None = setting(
        None, "Revocation lists in PEM form, one of each authority of clients' certificates."
    )
    tls_required: bool = setting(False, "Refuse connections without TLS from this machine, too.")
    proxy_protocol_from: str | None = setting(
        None,
        "Load balancers that must send a header of PROXY protocol v2; nobody else may.",
        form=NETWORKS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Bounds of one session, and what becomes of its PostgreSQL connection while it is idle."""

    park_after_s: float = setting(
        30.0, "Idle time after which a session gives its backend away; 0: never.", minimum=0, maximum=86_400
    )
    parked_max: int = setting(
        10, "Backends of one tenant kept for sessions that wake up; more are closed.", minimum=0, maximum=10_000
    )
    parked_idle_max_s: float = setting(
        300.0, "Time a backend is kept that no session takes.", minimum=1, maximum=86_400
    )
    statements_max: int = setting(
        1000, "Prepared statements over API tables of one session.", minimum=1, maximum=100_000
    )
    twins_max: int = setting(
        100, "Of these, how many PostgreSQL keeps parsed; others are parsed again.", minimum=1, maximum=10_000
    )
    portals_max: int = setting(100, "Open portals over API tables of one session.", minimum=1, maximum=10_000)
    backend_timeout_s: float = setting(
        10.0, "Time for a log-in to PostgreSQL, and for cleaning up after a statement.", minimum=0.1, maximum=600
    )
    answer_bytes_max: int = setting(
        0, "Largest answer to one statement, or FETCH of a cursor (54000); 0: any.", minimum=0, maximum=1 << 50
    )
    close_timeout_s: float = setting(5.0, "Time a closed client may take its last bytes in.", minimum=0.1, maximum=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where the server keeps what must last."""

    directory: Path = setting(Path("omnisql-data"), "Directory of the embedded clusters, keys and spill files.")
    control_dsn: str | None = setting(
        None, "DSN of an external control database; without one it is an embedded cluster.", secret=True
    )
    postgres_user_id: int | None = setting(
        None, "Account (uid) that runs PostgreSQL when the server is root; nobody when unset.", minimum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Embedded PostgreSQL clusters of tenants."""

    running_max: int = setting(20, "Tenant clusters running at a time.", minimum=1, maximum=10_000)
    idle_stop_s: float = setting(
        600.0,
        "Time without a session after which a tenant's cluster stops; its next log-in starts it.",
        minimum=1,
        maximum=86_400,
    )
    sessions_max: int = setting(200, "Sessions of one tenant at a time.", minimum=1, maximum=100_000)
    connections_max: int = setting(100, "Backends of one cluster.", minimum=10, maximum=10_000)
    shared_buffers_mb: int = setting(16, "shared_buffers of one cluster.", minimum=1, maximum=65_536)
    temp_file_limit_mb: int = setting(
        1024, "Temporary files of one PostgreSQL process (temp_file_limit).", minimum=1, maximum=1_048_576
    )
    backend_memory_mb: int = setting(
        2048,
        "Private memory of one PostgreSQL process; above it a statement fails with 53200.",
        minimum=64,
        maximum=1_048_576,
    )
    control_group: Path | None = setting(
        None, "Delegated control group (cgroup v2), below which each cluster gets one that bounds its memory."
    )
    memory_mb: int = setting(
        4096, "Memory of one cluster as a whole, where there is a control_group.", minimum=256, maximum=16_777_216
    )
    disk_mb_max: int = setting(
        0, "Room on disk of one cluster, above which it is for reading (53100); 0: any.", minimum=0, maximum=1 << 30
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Rate limits of sources, shared by all replicas through Valkey."""

    valkey_url: str | None = setting(
        None, "Valkey or Redis to use (redis://, rediss://, unix://); without one it is an embedded child.", secret=True
    )
    wait_max_s: float = setting(
        15.0, "Longest a request waits for a rate limit before the statement fails.", minimum=0, maximum=3600
    )
    fail_open: bool = setting(False, "Send requests unlimited while Valkey is unreachable, instead of failing.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialSettings:
    """Sealed credentials that no user mapping refers to any more."""

    sweep_interval_s: float = setting(
        600.0, "Time between two sweeps for unused credentials.", minimum=0.1, maximum=86_400
    )
    sweep_age_s: float = setting(
        3600.0,
        "Age from which an unused credential is deleted; longer than any transaction.",
        minimum=0,
        maximum=604_800,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Bounds of reading one source."""

    concurrency_max: int = setting(8, "Requests to one source at a time.", minimum=1, maximum=256)
    request_timeout_s: float = setting(60.0, "Time for one API request.", minimum=0.1, maximum=3600)
    scan_timeout_s: float = setting(300.0, "Time for one scan with all its requests.", minimum=0.1, maximum=86_400)
    scan_rows_max: int = setting(1_000_000, "Rows one scan may fetch.", minimum=1, maximum=1_000_000_000)
    open_sources_max: int = setting(
        1000, "Connections of a tenant kept open, one for each server and credential.", minimum=1, maximum=100_000
    )
    key_combinations_max: int = setting(
        50, "Combinations of key values one scan may be asked for.", minimum=1, maximum=100_000
    )
    api_calls_max: int = setting(1000, "API calls one statement may make.", minimum=1, maximum=10_000_000)
    response_bytes_max: int = setting(
        64 * 1024 * 1024, "Largest answer of an API, after decompression.", minimum=65_536, maximum=1024**3
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The way out to sources, whose addresses tenants choose."""

    allowed_networks: str | None = setting(
        None, "Networks that sources may be in besides the public Internet.", form=NETWORKS
    )
    proxy_url: str | None = setting(None, "HTTP proxy for all requests to sources.", form=PROXY, secret=True)
    proxy_resolves: bool = setting(False, "Leave it to the proxy to look up names and to refuse private addresses.")
    no_proxy: str | None = setting(
        None, "Hosts of sources to connect to directly; a dot in front stands for all below.", form=HOSTS
    )
    ca_file: Path | None = setting(None, "Certificate authorities in PEM form to trust besides the system's.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """DuckDB, and the way to PostgreSQL where DuckDB cannot serve."""

    memory_limit_mb: int = setting(1024, "Memory of one DuckDB instance.", minimum=64, maximum=1_048_576)
    threads: int = setting(2, "Threads of one DuckDB instance.", minimum=1, maximum=256)
    instances_max: int = setting(8, "DuckDB instances at a time.", minimum=1, maximum=1024)
    splice_inline_bytes_max: int = setting(
        64 * 1024 * 1024,
        "Fetched bytes that one statement may hand to PostgreSQL as parameters.",
        minimum=0,
        maximum=256 * 1024 * 1024,
    )
    splice_table_bytes_max: int = setting(
        1024 * 1024 * 1024,
        "Fetched bytes that one statement may hand to PostgreSQL at all: beyond parameters, in temporary tables.",
        minimum=0,
        maximum=64 * 1024 * 1024 * 1024,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Logs, traces and metrics."""

    log_level: str = setting("info", "Least severe event to log.", choices=("debug", "info", "warning", "error"))
    log_format: str = setting("console", "Form of the log on stderr.", choices=("console", "json"))
    otlp_endpoint: str | None = setting(
        None, "Base URL of an OTLP/HTTP collector for traces and metrics; none are sent without one."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """Who may see what."""

    file: Path | None = setting(None, "YAML file of policies; without one GRANTs alone decide.")
    server_url: str | None = setting(None, "OPA server that decides in place of a file.", form=SERVER)
    server_token: str | None = setting(None, "Bearer token for the OPA server.", secret=True)
    server_timeout_s: float = setting(0.1, "Longest an OPA server may take to decide.", minimum=0.01, maximum=10)
    decisions_kept_s: float = setting(60.0, "How long a decision stands for equal questions.", minimum=0, maximum=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSettings:
    """Connectors beside those that come with OmniSQL."""

    folder: Path | None = setting(None, "Folder of manifests of your own, each NAME.yaml a connector.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured; each part of the server gets its own section."""

    listener: ListenerSettings = field(default_factory=ListenerSettings)
    log_in: LogInSettings = field(default_factory=LogInSettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    data: DataSettings = field(default_factory=DataSettings)
    clusters: ClusterSettings = field(default_factory=ClusterSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    credentials: CredentialSettings = field(default_factory=CredentialSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    freshness: FreshnessSettings = field(default_factory=FreshnessSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    connectors: ConnectorSettings = field(default_factory=ConnectorSettings)

    def __post_init__(self) -> None:
        """Validate every field, so that no tree with an impossible value exists."""
        for declared in declared_settings():
            declared.check(getattr(getattr(self, declared.section), declared.name))
        listener = self.listener
        if (listener.tls_certificate_file is None) != (listener.tls_key_file is None):
            raise _contradiction("listener.tls_key_file", "tls_certificate_file and tls_key_file are set together")
        if self.policy.server_url is not None and self.policy.file is not None:
            raise _contradiction("policy.server_url", "policy.file and policy.server_url exclude each other")
        if listener.tls_required and listener.tls_certificate_file is None:
            raise _contradiction("listener.tls_required", "it needs tls_certificate_file and tls_key_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSetting:
    """One field of one section, as declared: `kinds` are the types its value may have."""

    section: str
    entry: Field[Any]
    kinds: frozenset[type]

    @property
    def name(self) -> str:
        """Name the field within its section."""
        return self.entry.name

    @property
    def key(self) -> str:
        """Name the field within the tree."""
        return f"{self.section}.{self.entry.name}"

    @property
    def variable(self) -> str:
        """Name the environment variable that sets the field."""
        return f"{VARIABLE_PREFIX}{self.section}_{self.entry.name}".upper()

    @property
    def allowed(self) -> str:
        """Say in words which values the field takes."""
        metadata = self.entry.metadata
        if metadata["choices"]:
            return ", ".join(metadata["choices"])
        if bool in self.kinds:
            return "true or false"
        if metadata["form"] is not None:
            return str(metadata["form"].words)
        if int not in self.kinds and float not in self.kinds:
            return "a path" if Path in self.kinds else "text"
        noun = "a number" if float in self.kinds else "a whole number"
        low, high = metadata["minimum"], metadata["maximum"]
        if low is None or high is None:
            return noun if low is None else f"{noun} from {low}"
        return f"{noun} from {low} to {high}"

    def convert(self, value: object, where: str) -> object:
        """Make a value of the field's type out of what a file or a variable holds; `where` tells people which one.

        Raises:
            ConfigurationInvalid: (F0000) the value is of another type or out of range.
        """
        if value is None and type(None) in self.kinds:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if bool in self.kinds:
            fits = isinstance(value, bool)
        elif float in self.kinds:
            fits = number
        elif int in self.kinds:
            fits = number and isinstance(value, int)
        else:
            fits = isinstance(value, str) and value != ""
        if not fits:
            raise self._invalid(value, where)
        self.check(value, where)
        if Path in self.kinds:
            return Path(str(value)).expanduser()
        return float(str(value)) if float in self.kinds else value

    def check(self, value: object, where: str = "given by the program") -> None:
        """Refuse a value out of the field's range.

        Raises:
            ConfigurationInvalid: (F0000) it is.
        """
        minimum, maximum, choices = (self.entry.metadata[name] for name in ("minimum", "maximum", "choices"))
        if isinstance(value, int | float):
            # Written so that NaN, which compares false with everything, is refused too.
            inside = (minimum is None or value >= minimum) and (maximum is None or value <= maximum)
        else:
            inside = value is None or ((not choices or value in choices) and self._has_form(str(value)))
        if not inside:
            raise self._invalid(value, where)

    def _has_form(self, text: str) -> bool:
        form: TextForm | None = self.entry.metadata["form"]
        try:
            if form is not None:
                form.parse(text)
        except ValueError:
            return False
        return True

    def _invalid(self, value: object, where: str) -> ConfigurationInvalid:
        shown = "a secret value" if self.entry.metadata["secret"] else repr(value)[:80]
        return ConfigurationInvalid(
            message=f"setting {self.key} is not valid",
            detail=f"It is {shown}, {where}; allowed is {self.allowed}.",
            hint=f"Correct it; it means: {self.entry.metadata['documentation']}",
        )


def section_types() -> dict[str, type[Any]]:
    """Give the sections of the tree, by name, in order."""
    return get_type_hints(Settings)


def declared_settings() -> Iterator[DeclaredSetting]:
    """Walk every field of the tree, in order."""
    for section, kind in section_types().items():
        hints = get_type_hints(kind)
        for entry in fields(kind):
            hint = hints[entry.name]
            yield DeclaredSetting(section=section, entry=entry, kinds=frozenset(get_args(hint) or (hint,)))


def _contradiction(key: str, rule: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(message=f"setting {key} contradicts another one", detail=f"The rule is that {rule}.")
