"""The list of an ANALYZE statement, entry by entry, so that some can be left out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import postgast

from omnisql_server.parse.tokens import tokens_of

KNOWN_OPTIONS = frozenset({"verbose", "skip_locked", "buffer_usage_limit"})
VACUUM_OPTIONS = KNOWN_OPTIONS | {"analyze"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRelation:
    """One relation to analyze: its name as the grammar reads it, its columns, and its entry as written."""

    schema: str | None
    name: str
    columns: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeList:
    """An ANALYZE statement: what comes before its list, and the list. `vacuum` says that it is a VACUUM ANALYZE."""

    start: str
    relations: tuple[ListedRelation, ...]
    vacuum: bool = False

    def of_others(self, left_out: frozenset[int]) -> str | None:
        """Write the statement without the entries at these places; None if no entry remains."""
        kept = [entry.text for place, entry in enumerate(self.relations) if place not in left_out]
        return self.start + ", ".join(kept) if kept else None


def read_analyze(text: str) -> AnalyzeList | None:
    """Read a grammatical ANALYZE or VACUUM ANALYZE with a list.

    None where it has options that only PostgreSQL can judge, such as `ANALYZE` with a value in a VACUUM.
    """
    node = postgast.parse(text).stmts[0].stmt.vacuum_stmt
    options = {option.def_elem.defname.lower(): option.def_elem for option in node.options}
    vacuum = bool(node.is_vacuumcmd)
    if options.keys() - (VACUUM_OPTIONS if vacuum else KNOWN_OPTIONS):
        return None
    if vacuum and ("analyze" not in options or options["analyze"].HasField("arg")):
        return None
    body = text.encode()
    tokens = tokens_of(body)
    listed = [relation.vacuum_relation for relation in node.rels]
    first = next(place for place, token in enumerate(tokens) if token[1] == listed[0].relation.location)
    first -= tokens[first - 1][0] == b"only"
    commas, depth = [], 0
    for token, start, _ in tokens[first:]:
        depth += {b"(": 1, b")": -1}.get(token, 0)
        if token == b"," and depth == 0:
            commas.append(start)
    starts = [tokens[first][1], *(comma + 1 for comma in commas)]
    entries = [body[start:end].decode().strip() for start, end in zip(starts, [*commas, len(body)], strict=True)]
    return AnalyzeList(
        start=body[: starts[0]].decode(),
        relations=tuple(
            ListedRelation(
                schema=relation.relation.schemaname or None,
                name=relation.relation.relname,
                columns=tuple(column.string.sval for column in relation.va_cols),
                text=entry,
            )
            for relation, entry in zip(listed, entries, strict=True)
        ),
        vacuum=vacuum,
    )
