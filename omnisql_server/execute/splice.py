"""The splice: the user's own text, with each API relation replaced by the rows that were fetched for it. Pure.

At the byte positions PostgreSQL's grammar gives, an API relation becomes a derived relation of the same name over
`unnest` parameters, or over a temporary table where its rows are many, and a view that reaches one becomes its
definition, spliced in turn. What a view reads as its owner is `unnest` of one array of the relation's own rows. Every
other byte of the statement stays the user's. With parameters it works in read-only transactions and leaves nothing
behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import postgast
import pyarrow as pa

from omnisql_server.errors import LimitExceeded, NotSupported
from omnisql_server.execute.arrays import ArrayParameter, array_parameter
from omnisql_server.execute.splice_tables import SplicedTable
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import ROW_NUMBER, Relation, RelationKind
from omnisql_server.model.statement import RelationReference

Place = tuple[int, ...]
_BEFORE_NAMES = frozenset({b".", b"as", b"from", b"join", b"only"})
"""What stands before a name of a column, or of a relation or output that is no row."""
_QUERY = [b"as", b"("]
"""What follows the name of a WITH query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`length` bytes at `start` of a text are replaced by `replacement`."""

    start: int
    length: int
    replacement: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SplicedQuery:
    """The text to run, the array parameters that follow the user's own, and the edits, for mapping positions back."""

    text: str
    arrays: tuple[ArrayParameter, ...]
    edits: tuple[Edit, ...]

    def original_position(self, position: int) -> int | None:
        """Map a 1-based character position to the user's text, None inside what was spliced in."""
        offset = len(self.text[: position - 1].encode())
        shift = 0
        for edit in self.edits:
            if offset < edit.start + shift:
                break
            if offset < edit.start + shift + len(edit.replacement):
                return None
            shift += len(edit.replacement) - edit.length
        original = _apply_inverse(self.text, self.edits)
        return len(original[: offset - shift].decode(errors="ignore")) + 1


@dataclass(slots=True)
class _Splicer:
    query: BoundQuery
    relations: Mapping[str, pa.Table]
    first_parameter: int
    tables: Mapping[str, SplicedTable] = field(default_factory=dict)
    owned: Mapping[object, ArrayParameter] = field(default_factory=dict)
    arrays: list[ArrayParameter] = field(default_factory=list)
    derived: dict[object, bytes] = field(default_factory=dict)

    def edits(self, parsed: ParsedQuery, place: Place) -> tuple[Edit, ...]:
        encoded = parsed.text.encode()
        tokens = _tokens(encoded)
        alike = _alike(parsed, encoded, tokens)
        edits: list[Edit] = []
        for reference in parsed.references:
            relation = self.query.relations.get((reference.schema, reference.name))
            if relation is None or reference.target:
                continue
            here = (*place, reference.position)
            if here in self.query.as_owners.reads:
                edits.append(self._owned_edit(encoded, tokens, reference, here))
            elif self._is_replaced(relation, here):
                edits.extend(self._edit(encoded, tokens, reference, relation, place, alike))
            elif place and reference.schema is None:
                # In a view's definition, a name must not be taken for a WITH query of the statement around it.
                start, end = _name_extent(encoded, tokens, reference)
                whole = _quoted(relation.schema) + b"." + _quoted(relation.name)
                edits.append(Edit(start=start, length=end - start, replacement=whole))
        edits.extend(_column_edits(encoded, tokens, self.query, alike))
        return tuple(sorted(edits, key=lambda edit: edit.start))

    def _is_replaced(self, relation: Relation, place: Place) -> bool:
        is_written_out = place in self.query.as_owners.views or _reaches_api(relation, self.query)
        return relation.kind is RelationKind.API or is_written_out

    def _owned_edit(
        self, encoded: bytes, tokens: Sequence[tuple[int, int]], reference: RelationReference, place: Place
    ) -> Edit:
        read = self.query.as_owners.reads[place]
        start, end = _name_extent(encoded, tokens, reference)
        if b"tablesample" in {encoded[a:b].lower() for a, b in tokens}:
            raise NotSupported(
                message=f"view {read.view} reads a sample of {read.relation.name} with its owner's rights"
            )
        if read.only:
            start = max(a for a, b in tokens if b <= start)
        if read.key not in self.derived:
            self.arrays.append(self.owned[read.key])
            number = self.first_parameter + len(self.arrays) - 1
            self.derived[read.key] = f"pg_catalog.unnest(${number})".encode()
        name = b"" if reference.alias is not None else b" AS " + _quoted(reference.name)
        return Edit(start=start, length=end - start, replacement=self.derived[read.key] + name)

    def _edit(
        self,
        encoded: bytes,
        tokens: Sequence[tuple[int, int]],
        reference: RelationReference,
        relation: Relation,
        place: Place,
        alike: frozenset[str],
    ) -> list[Edit]:
        body = self._derived(relation, (*place, reference.position))
        if relation.kind is RelationKind.API and _reads_row(encoded, tokens, reference, cast_only=bool(place)):
            body = _composed(relation, self._occurrence(relation, (*place, reference.position)), body)
        start, end = _relation_extent(encoded, tokens, *_name_extent(encoded, tokens, reference))
        before = [encoded[a:b].lower() for a, b in tokens if b <= start][-1:]
        shown = f"{reference.schema}.{relation.name}" if reference.schema and relation.name in alike else relation.name
        name = b"" if reference.alias is not None else b" AS " + _quoted(shown)
        if before == [b"table"]:
            keyword = max(a for a, b in tokens if b <= start)
            return [Edit(start=keyword, length=end - keyword, replacement=b"SELECT * FROM " + body + name)]
        return [Edit(start=start, length=end - start, replacement=body + name)]

    def _derived(self, relation: Relation, place: Place) -> bytes:
        if relation.kind is RelationKind.VIEW:
            definition = self.query.views[relation.oid]
            text = b"(" + _apply(definition.text.encode(), self.edits(definition, place)) + b")"
            shields = relation.security_barrier or self._reads_as_owner(place)
            # PostgreSQL evaluates no condition from outside before those of a query with an OFFSET.
            return b"(SELECT * FROM " + text + b" AS omnisql_barrier OFFSET 0)" if shields else text
        occurrence = self._occurrence(relation, place)
        if occurrence.scan_name not in self.derived:
            table = self.tables.get(occurrence.scan_name)
            self.derived[occurrence.scan_name] = table.sql.encode() if table is not None else self._unnest(occurrence)
        return self.derived[occurrence.scan_name]

    def _reads_as_owner(self, view_place: Place) -> bool:
        """Say whether rows of a relation are below a view which the session's user may not read itself."""
        return any(place[: len(view_place)] == view_place for place in self.query.as_owners.reads)

    def _occurrence(self, relation: Relation, place: Place) -> Occurrence:
        for occurrence in self.query.occurrences:
            if occurrence.relation.oid == relation.oid and occurrence.place in (None, place):
                return occurrence
        raise NotSupported(message=f"{relation.qualified_name} is read in a way that cannot be answered yet")

    def _unnest(self, occurrence: Occurrence) -> bytes:
        rows = self.relations[occurrence.scan_name]
        parameters, names, outputs = [], [], []
        for index, name in enumerate(occurrence.columns or (ROW_NUMBER,)):
            attribute = occurrence.relation.attribute(name)
            array = array_parameter(rows.column(name), attribute.type_oid if attribute is not None else 20)
            self.arrays.append(array)
            number = self.first_parameter + len(self.arrays) - 1
            parameters.append(f"pg_catalog.unnest(${number}::{array.array_sql})")
            names.append(f"c{index}")
            if attribute is not None:
                cast = f"::{attribute.type_sql}" if array.needs_cast else ""
                outputs.append(f"u.c{index}{cast} AS {_quoted(name).decode()}")
        sources = ", ".join(parameters)
        sql = f"(SELECT {', '.join(outputs)} FROM ROWS FROM ({sources}) AS u({', '.join(names)}))"
        return sql.encode()


def splice(
    query: BoundQuery,
    relations: Mapping[str, pa.Table],
    bytes_max: int,
    tables: Mapping[str, SplicedTable] | None = None,
    owned: Mapping[object, ArrayParameter] | None = None,
) -> SplicedQuery:
    """Write the statement over its fetched rows, which are parameters unless they are in one of the tables.

    `owned` are the rows of what is read as the owners of views, by `OwnerRead.key`.

    Raises:
        LimitExceeded: the rows are more than `bytes_max` bytes as parameters (54000).
        NotSupported: a reference has a form that has no meaning over an API table, or array_nulls is off.
    """
    if not query.settings.array_nulls:
        raise NotSupported(
            message="rows of an API table cannot be handed to PostgreSQL while array_nulls is off",
            hint="SET array_nulls = on",
        )
    splicer = _Splicer(
        query=query,
        relations=relations,
        first_parameter=len(query.parameter_oids) + 1,
        tables=tables or {},
        owned=owned or {},
    )
    edits = splicer.edits(query.parsed, ())
    size = sum(len(array.value) for array in splicer.arrays)
    if size > bytes_max:
        raise LimitExceeded(
            message=f"the statement needs {size} bytes of rows in PostgreSQL, more than the {bytes_max} allowed",
            detail="it has to be executed by PostgreSQL because DuckDB may not evaluate all of it",
            hint="add conditions that reduce the rows, or raise engine.splice_inline_bytes_max",
        )
    text = _apply(query.parsed.text.encode(), edits).decode()
    return SplicedQuery(text=text, arrays=tuple(splicer.arrays), edits=edits)


def _apply(text: bytes, edits: Sequence[Edit]) -> bytes:
    out, position = [], 0
    for edit in edits:
        out += [text[position : edit.start], edit.replacement]
        position = edit.start + edit.length
    return b"".join([*out, text[position:]])


def _apply_inverse(text: str, edits: Sequence[Edit]) -> bytes:
    """Return the original text with every replaced stretch as blanks of its own length: enough for counting."""
    encoded, out, position = text.encode(), [], 0
    shift = 0
    for edit in edits:
        out += [encoded[position : edit.start + shift], b" " * edit.length]
        position = edit.start + shift + len(edit.replacement)
        shift += len(edit.replacement) - edit.length
    return b"".join([*out, encoded[position:]])


def _name_extent(encoded: bytes, tokens: Sequence[tuple[int, int]], reference: RelationReference) -> tuple[int, int]:
    """Find where a possibly qualified name ends: names and dots (or UESCAPE) alternate from its position."""
    index = next(i for i, (start, _) in enumerate(tokens) if start == reference.position)
    while index + 2 < len(tokens) and encoded[slice(*tokens[index + 1])].lower() in (b".", b"uescape"):
        index += 2
    return reference.position, tokens[index][1]


def _relation_extent(encoded: bytes, tokens: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Widen a name's extent by ONLY or *, which ask for nothing else of what has no children."""
    before = [(a, encoded[a:b].lower()) for a, b in tokens if b <= start][-2:]
    after = [(b, encoded[a:b]) for a, b in tokens if a >= end][:1]
    words = [word for _, word in before]
    if words[-1:] == [b"only"]:
        return before[-1][0], end
    if words == [b"only", b"("]:
        return before[0][0], after[0][0]
    return (start, after[0][0]) if after and after[0][1] == b"*" else (start, end)


def _reads_row(
    encoded: bytes, tokens: Sequence[tuple[int, int]], reference: RelationReference, *, cast_only: bool
) -> bool:
    """Say whether a text may read whole rows of a relation, as `t` or `t.*::type`; with `cast_only` as the latter."""
    words = [encoded[start:end] for start, end in tokens]
    shown = (reference.alias or reference.name).encode()
    _, end = _name_extent(encoded, tokens, reference)
    # The alias follows the name.
    declared = next((index for index, (start, _) in enumerate(tokens) if start >= end), len(tokens))
    declared += words[declared : declared + 1] != [] and words[declared].lower() == b"as"
    for index, (start, _) in enumerate(tokens):
        if reference.position <= start < end or index == declared or _folded(words[index]) != shown:
            continue
        before = b"".join(words[max(index - 1, 0) : index]).lower()
        after = [word.lower() for word in words[index + 1 : index + 4]]
        if after == [b".", b"*", b"::"]:
            return True
        if not cast_only and before not in _BEFORE_NAMES and after[:1] not in ([b"."], [b"("]) and after[:2] != _QUERY:
            return True
    return False


def _composed(relation: Relation, occurrence: Occurrence, body: bytes) -> bytes:
    """Give rows of a relation its own row type, which those of a subquery do not have; what is not read is null."""
    columns = b", ".join(
        _quoted(attribute.name) if attribute.name in occurrence.columns else b"NULL"
        for attribute in relation.attributes
    )
    row_type = _quoted(relation.schema) + b"." + _quoted(relation.name)
    rows = b"SELECT ROW(" + columns + b")::" + row_type + b" FROM " + body + b" AS omnisql_rows"
    return b"pg_catalog.unnest(ARRAY(" + rows + b"))"


def _tokens(encoded: bytes) -> list[tuple[int, int]]:
    """Return where the tokens of a text start and end, comments left out."""
    found = [(token.start, token.end) for token in postgast.scan(encoded.decode()).tokens]
    return [(start, end) for start, end in found if encoded[start : start + 2] not in (b"--", b"/*")]


def _alike(parsed: ParsedQuery, encoded: bytes, tokens: Sequence[tuple[int, int]]) -> frozenset[str]:
    """Find names of relations that a text tells apart by their schemas: what replaces those cannot keep the name.

    Raises:
        NotSupported: a column is named by such a name alone, which may mean any of them.
    """
    words = [encoded[start:end] for start, end in tokens]
    qualified, plain = set[str](), set[str]()
    for index in range(len(words) - 2):
        if words[index + 1] == b"." and (index == 0 or words[index - 1] != b"."):
            longer = words[index + 3 : index + 4] == [b"."]
            (qualified if longer else plain).add(_folded(words[index + 2 if longer else index]).decode())
    beside = set[str]()
    plain_names = {r.position: r.name for r in parsed.references if r.alias is None}
    for level in parsed.scopes.levels():
        named = [plain_names[position] for position in level.reads if position in plain_names]
        beside |= {name for name in named if named.count(name) > 1}
    aliases = parsed.scopes.aliases
    alike = frozenset(name for name in qualified | beside if aliases.count(name) > 1)
    if alike & plain:
        raise NotSupported(
            message=f"relations named {min(alike & plain)} are told apart by their schemas only",
            hint="give each of them an alias, and name their columns by it",
        )
    return alike


def _column_edits(
    encoded: bytes, tokens: Sequence[tuple[int, int]], query: BoundQuery, alike: frozenset[str]
) -> list[Edit]:
    """Drop the schema from `schema.relation.column` where the relation is one that is replaced."""
    words = [encoded[start:end] for start, end in tokens]
    replaced = {
        (schema.encode(), name.encode())
        for (schema, name), relation in query.relations.items()
        if schema is not None and (relation.kind is RelationKind.API or relation.oid in query.views)
    }
    edits = []
    for index in range(len(words) - 4):
        dotted = words[index + 1] == b"." == words[index + 3] and (index == 0 or words[index - 1] != b".")
        if dotted and (_folded(words[index]), _folded(words[index + 2])) in replaced:
            start, (name_start, name_end) = tokens[index][0], tokens[index + 2]
            schema, name = _folded(words[index]).decode(), _folded(words[index + 2]).decode()
            if name in alike:
                edits.append(Edit(start=start, length=name_end - start, replacement=_quoted(f"{schema}.{name}")))
            else:
                edits.append(Edit(start=start, length=name_start - start, replacement=b""))
    return edits


def _folded(word: bytes) -> bytes:
    return word[1:-1].replace(b'""', b'"') if word.startswith(b'"') else word.lower()


def _quoted(name: str) -> bytes:
    return b'"' + name.encode().replace(b'"', b'""') + b'"'


def _reaches_api(view: Relation, query: BoundQuery) -> bool:
    if view.kind is not RelationKind.VIEW:
        return False
    definition = query.views[view.oid]
    for reference in definition.references:
        relation = query.relations.get((reference.schema, reference.name))
        if relation is None:
            continue
        if relation.kind is RelationKind.API or (relation.kind is RelationKind.VIEW and _reaches_api(relation, query)):
            return True
    return False
