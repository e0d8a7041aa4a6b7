"""What the pipeline may ask of a session's PostgreSQL backend, and the answers. Implemented by `session.backend`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wire.backend import Field
from wire.rows import EncodedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Parse and describe `sql` under a private statement name; an existing one of that name is replaced.

    `keep` leaves the statement on the backend for later; otherwise it is closed after its description.
    """

    name: str
    sql: str
    type_oids: tuple[int, ...] = ()
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribePrepared:
    """Describe a statement that an earlier `Prepare` kept; raises what PostgreSQL raises when its shape changed."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Run a constant, fully qualified query of ours with parameters in text form; prepared once per backend."""

    sql: str
    parameters: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Run one statement of our making for its effect, in the client's transaction; notices reach the client."""

    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The description of a statement; `fields` is None when it returns no rows."""

    parameter_oids: tuple[int, ...]
    fields: tuple[Field, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of an `Ask`, every value in text form."""

    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The command tag of a `Command`."""

    tag: str


Question = Prepare | DescribePrepared | Ask | Command
Answer = Prepared | Rows | Done


class Backend(Protocol):
    """A session's backend during one run statement.

    All exchanges happen in the transaction (implicit or not) that the client's statement belongs to; the session ends
    an implicit one by Sync when the statement is over.
    """

    @property
    def in_transaction_block(self) -> bool:
        """Say whether the client has an open transaction block."""

    async def begin_again(self) -> bool:
        """Begin the transaction again, if it is nobody's but ours, as one that keeps its first snapshot; say whether.

        Raises:
            BackendError: as `ask`.
        """

    async def leave(self) -> None:
        """End the transaction if it is nobody's but ours: a procedure that commits must be the first in its own.

        Raises:
            BackendLost: the connection is gone.
        """

    async def ask(self, *questions: Question) -> list[Answer]:
        """Send all questions in one flush and return their answers in order.

        Raises:
            BackendError: PostgreSQL answered with an error; the transaction has failed.
            BackendLost: the connection is gone.
        """

    def stream(
        self,
        sql: str,
        *,
        type_oids: Sequence[int],
        parameters: Sequence[bytes | None],
        parameter_formats: Sequence[int],
        result_formats: Sequence[int],
        completed: Callable[[str], None] | None = None,
    ) -> AsyncIterator[EncodedRows]:
        """Run `sql` and return its DataRow messages unchanged, in chunks; `completed` is told the command tag.

        Raises:
            BackendError: as `ask`.
        """

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        """Run a COPY FROM STDIN with this data and return how many rows PostgreSQL took.

        Whatever ends the data early ends the COPY too, and the transaction fails.

        Raises:
            BackendError: as `ask`.
        """
