"""The seam between a session and the pipeline: what a session gives, and what running a statement gives back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from omnisql_server.model.backend import Backend
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statement import Part, Statement
from wire.backend import Field
from wire.rows import EncodedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """What the pipeline sees of a session.

    `notice` sends a NoticeResponse to the client. `remember` tells the session of relations that reach API tables by
    its doing, whose names it did not read in a statement. `state` is the session's own place for what must outlive a
    statement (the sources of the last one); the pipeline owns its content.
    """

    principal: Principal
    backend: Backend
    notice: Callable[[Mapping[str, str]], None]
    remember: Callable[[frozenset[str]], None]
    state: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A run statement as PostgreSQL describes it; `fields` is None for COPY.

    `needs_snapshot` says that its transaction should keep its first snapshot, which cannot be decided later.
    """

    parameter_oids: tuple[int, ...]
    fields: tuple[Field, ...] | None
    needs_snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundParameters:
    """The values of a Bind message: PostgreSQL's rules for 0, 1 or n format codes already applied by the session."""

    type_oids: tuple[int, ...] = ()
    values: tuple[bytes | None, ...] = ()
    formats: tuple[int, ...] = ()
    result_formats: tuple[int, ...] = ()


class Repeatable(Protocol):
    """A statement of one principal under the same settings, whose answer is kept as it was sent, or was once."""

    @property
    def holds(self) -> bool:
        """Say whether an answer is kept, as far as is known without asking anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """An answer from bytes, for the simple protocol: `messages` are all but ReadyForQuery.

    `facts` is a place for what is derived from the others, the same each time.
    """

    messages: bytes
    rows: int
    statement: Statement
    query: AuthorizedQuery
    reports: tuple[SourceReport, ...]
    facts: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The answer of a run statement while it is being read.

    `rows` yields complete DataRow messages in the wanted formats (CopyData messages for COPY). `command` starts the
    command tag: `SELECT`, `EXPLAIN`, `COPY`. `counts_rows` says whether the row count follows it. `copy_formats` is the
    per-column format of a CopyOutResponse, None when this is not COPY. `close` releases everything and must be awaited
    on every way out. `fields` is None when no rows come back. `tag` gives PostgreSQL's own command tag of a statement
    that writes, once it is over. `repeatable` gives, once it is over, what may be repeated in a session that sends
    nothing else, None if the statement must be run each time. `streamed` says that the first rows are there before the
    last are read.
    """

    fields: tuple[Field, ...] | None
    rows: AsyncIterator[EncodedRows]
    command: str
    close: Callable[[], Awaitable[None]]
    counts_rows: bool = True
    copy_formats: tuple[int, ...] | None = None
    tag: Callable[[], str] | None = None
    repeatable: Callable[[], Repeatable | None] | None = None
    streamed: bool = False


def command_result(tag: str) -> RunResult:
    """Return the result of a statement that gives no rows and is done: its command tag."""
    rows = _no_rows()
    return RunResult(fields=None, rows=rows, command=tag, close=rows.aclose, counts_rows=False, tag=lambda: tag)


async def _no_rows() -> AsyncGenerator[EncodedRows, None]:
    return
    yield  # pragma: no cover


class TenantRunner(Protocol):
    """The pipeline of one tenant, as its sessions use it."""

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split a message's text into parts to relay and to run; None when all of it is to be relayed as it is.

        `overlay` holds names that this session made reach API tables and that the tenant's snapshot cannot know yet.
        """

    @property
    def plain(self) -> PlainTexts | None:
        """Return the texts that are plain as things are, for sessions without an overlay; None where none is."""

    async def refresh_snapshot(self) -> None:
        """Read the tenant's snapshot again, because PostgreSQL just refused a relayed statement over an API table."""

    @property
    def outdated(self) -> bool:
        """Say whether a session of the tenant has defined what the snapshot cannot know yet."""

    def defined(self) -> None:
        """Learn that a transaction has ended in which something was made or renamed that reaches an API table."""

    async def catch_up(self) -> None:
        """Read the tenant's snapshot again if it is outdated."""

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Parse and describe a statement without running it; the private statement `twin` stays on the backend."""

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows; the caller reads `rows` and then awaits `close`.

        `twin` names the private statement that `describe` left, so that PostgreSQL itself revalidates it.
        """

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Answer a statement again as it was answered before; None where it must be run.

        The session has sent its backend nothing since the settings were read under which the statement was run.
        """


class StatementRunner(TenantRunner, Protocol):
    """A session's way to its tenant's pipeline."""

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Look at what a relayed statement, which is about to be bound, reads that was derived from API tables."""


Behind_co = TypeVar("Behind_co", bound=TenantRunner, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingRunner(Generic[Behind_co]):
    """What runners that stand in front of another have in common: they pass on what they do not look at."""

    runner: Behind_co

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split a message into parts to relay and to run."""
        return self.runner.route(text, overlay)

    @property
    def plain(self) -> PlainTexts | None:
        """Return the texts that are plain as things are."""
        return self.runner.plain

    async def refresh_snapshot(self) -> None:
        """Read the tenant's snapshot again."""
        await self.runner.refresh_snapshot()

    @property
    def outdated(self) -> bool:
        """Say whether a session has defined something since the snapshot was read."""
        return self.runner.outdated

    def defined(self) -> None:
        """Learn that a transaction has ended in which something was defined."""
        self.runner.defined()

    async def catch_up(self) -> None:
        """Read the snapshot again if it is outdated."""
        await self.runner.catch_up()

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Answer a statement again as it was answered before; None where it must be run."""
        return await self.runner.repeat(repeatable, view)
