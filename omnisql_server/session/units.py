"""Units of the extended protocol that are answered again without the backend: Parse or Bind up to Sync, as they came.

A unit is known by its bytes once it has been run outside any transaction. Answering it again leaves the backend as
running it would: the portal it opens ends with its Sync, and a named statement is there already. Only the unnamed
statement may be another than its Parse would leave; then it is parsed again when a message needs it, as for a backend
that was given away (`parking`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from omnisql_server.session.footprint import UNNAMED_BYTES_MAX
from omnisql_server.session.portals import Portal
from omnisql_server.session.proven import Proven
from omnisql_server.session.running import Running
from omnisql_server.session.statements import RunStatement, RunStatements, named_text
from wire.backend import BIND_COMPLETE, PARSE_COMPLETE, row_description
from wire.framing import HEADER_BYTES, Frame
from wire.frontend import Describe, Execute

UNIT_SHAPES = frozenset({b"BES", b"BDES", b"PBES", b"PBDES"})
UNIT_FRAMES_MAX = 5
_DESCRIBE = Describe(kind="P", name=b"").encode()
_EXECUTE = Execute(portal=b"", rows_max=0).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the client is told before the rows, and the unnamed statement that the unit's Parse leaves."""

    before: bytes
    parse: bytes | None = None
    unnamed: RunStatement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    data: bytes
    parse: bytes | None
    describes: bool
    touches: int


class Units:
    """A session's units; `proven` holds what is known of them, `inside` says that one has begun and not ended."""

    def __init__(self, running: Running, proven: Proven, statements: RunStatements) -> None:
        self._running = running
        self._proven = proven
        self._statements = statements
        self._begun: _Unit | None = None
        self.inside = False
        self._unnamed_lacks = False

    def takes_unnamed(self) -> bool:
        """Say, once, that the backend does not have the unnamed statement that the client has parsed."""
        lacks, self._unnamed_lacks = self._unnamed_lacks, False
        return lacks

    async def answered(self, first: Frame, *, alone: bool) -> bool:
        """Answer the unit that begins with a message, if its answer is known, and say whether it is over.

        `alone` says that nothing else is open or on its way. The unit's other messages are taken from the client then.
        """
        if self.inside:
            return False
        self._begun = None
        rest = self._running.client.frames_to(b"S", UNIT_FRAMES_MAX - 1) if alone else ()
        if not rest or b"".join((first.kind, *(frame.kind for frame in rest))) not in UNIT_SHAPES:
            return False
        frames = (first, *rest)
        data = b"".join(frame.data for frame in frames)
        repeatable = self._proven.find(data)
        if repeatable is None:
            self._begun = self._learnable(frames, data)
            return False
        said = self._proven.said(data)
        if not isinstance(said, Said) or not await self._running.repeat(repeatable, before=said.before):
            self._begun = self._learnable(frames, data)
            return False
        for _ in rest:
            self._running.client.take_frame()
        self._leave_unnamed(said)
        return True

    def executed(self, portal: Portal) -> None:
        """Learn what the unit that has begun stands for: its portal has been read to the end, only Sync is left."""
        unit, self._begun = self._begun, None
        if unit is None or portal.result is None or portal.result.repeatable is None or portal.fields is None:
            return
        before = BIND_COMPLETE if unit.parse is None else PARSE_COMPLETE + BIND_COMPLETE
        if unit.describes:
            formats = portal.parameters.result_formats
            before += row_description(
                [replace(field, format=code) for field, code in zip(portal.fields, formats, strict=True)]
            )
        unnamed = self._statements.get(b"") if unit.parse is not None else None
        said = Said(before=before, parse=unit.parse, unnamed=unnamed)
        self._proven.learn(unit.data, portal.result.repeatable(), unit.touches, said)

    def _learnable(self, frames: tuple[Frame, ...], data: bytes) -> _Unit | None:
        """Return a unit of the unnamed portal, all of whose rows are wanted, and of its own or a named statement."""
        parse = frames[0].data if frames[0].kind == b"P" else None
        bind, execute = frames[0 if parse is None else 1], frames[-2]
        describes = frames[-3].kind == b"D"
        if execute.data != _EXECUTE or (describes and frames[-3].data != _DESCRIBE):
            return None
        portal, of_unnamed = bind.data[HEADER_BYTES : HEADER_BYTES + 2], parse is not None
        if portal[:1] != b"\0" or (portal == b"\0\0") != of_unnamed:
            return None
        if parse is not None and (parse[HEADER_BYTES] or len(parse) > UNNAMED_BYTES_MAX):
            return None
        return _Unit(data=data, parse=parse, describes=describes, touches=self._running.link.touches)

    def _leave_unnamed(self, said: Said) -> None:
        """Have the unnamed statement be the one that the unit has parsed, there when it is needed."""
        if said.parse is None or said.unnamed is None or self._statements.get(b"") is said.unnamed:
            return
        self._statements.revive(said.unnamed)
        found = named_text(said.parse)
        if found is not None:
            self._running.footprint.parse(said.parse, *found)
        self._unnamed_lacks = True
