"""The relation and the table that stand for a part of a statement, and how they are read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from sqlglot import exp

from catalog.types import BY_SQL_NAME
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import PART, WholeRelation, WholeStatement
from omnisql_server.model.plan import Pushed, ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.part_trees import Output, Part, column_behind, groups_by
from omnisql_server.plan.joins import DISTINCT_VALUES
from omnisql_server.plan.paths import batch_size
from omnisql_server.whole_statement import policy_filters, written

_TEXTS = frozenset({"text", "varchar"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPart:
    """A part as it is sent, and the relation and table that stand for it; `pushed` is what policy says of its rows."""

    part: Part
    statement: WholeStatement
    relation: Relation
    table: Table
    pushed: tuple[Pushed, ...]

    @property
    def occurrence(self) -> Occurrence:
        """Return the only place where it is read."""
        return Occurrence(scan_name=self.part.name, relation=self.relation, columns=self.part.wanted)


def sent_part(
    part: Part, number: int, scans: Mapping[str, ScanPlan], relations: Mapping[str, WholeRelation]
) -> SentPart:
    """Write a part, and declare the table that stands for it; `number` is its own.

    Raises:
        SqlglotError: it has no text.
    """
    oids = [BY_SQL_NAME[output.type_name].oid for output in part.outputs]
    names = [output.name for output in part.outputs]
    statement = written(part.tree, [relations[name] for name in part.scan_names], oids, names)
    read = [scans[name] for name in part.scan_names]
    first = read[0].relation
    wanted = [output for output in part.outputs if output.name in part.wanted]
    relation = Relation(
        oid=-1 - number,
        schema=first.schema,
        name=", ".join(_names(read)),
        kind=RelationKind.API,
        owner=first.owner,
        attributes=tuple(
            Attribute(
                number=place,
                name=output.name,
                type_oid=BY_SQL_NAME[output.type_name].oid,
                type_sql=BY_SQL_NAME[output.type_name].sql_name,
                api_column=output.name,
            )
            for place, output in enumerate(wanted, 1)
        ),
        server=first.server,
        wrapper=first.wrapper,
        api_table=PART,
    )
    pushed = [each for scan in read for each in policy_filters(scan) or ()]
    return SentPart(
        part=part,
        statement=statement,
        relation=relation,
        table=_table(part, statement, wanted, scans),
        pushed=tuple(pushed),
    )


def _names(read: Sequence[ScanPlan]) -> dict[str, None]:
    """Name the relations of scans, the first without its schema, each once."""
    others = (scan.relation.qualified_name for scan in read if scan.relation.oid != read[0].relation.oid)
    return dict.fromkeys((read[0].relation.name, *others))


def _table(
    part: Part,
    statement: WholeStatement,
    wanted: Sequence[Output],
    scans: Mapping[str, ScanPlan],
) -> Table:
    """Declare what a part gives: all of it, or the rows that have keys which an index of a table there finds."""
    read = [scans[name] for name in part.scan_names]
    everything = read[0].table.access_paths[0]
    request = statement.shown
    paths = [AccessPath(name=PART, request=request, page_rows_max=everything.page_rows_max)]
    rows = _rows_expected(part.tree, read)
    if part.tree.args.get("limit") is None:
        paths += [path for output in wanted if (path := _key_path(part.tree, output, scans, request, rows)) is not None]
    return Table(
        name=PART,
        description="",
        columns=tuple(Column(name=each.name, type_name=each.type_name, path=each.name) for each in wanted),
        primary_key=(),
        access_paths=tuple(paths),
        rows_expected=rows,
    )


def _key_path(
    tree: exp.Query, output: Output, scans: Mapping[str, ScanPlan], request: str, rows: int
) -> AccessPath | None:
    """Return how a part of so many rows is read by the values of an output that is a column which an index begins with.

    Not by texts: an index there has them in another order.
    """
    place = column_behind(tree, output.made_of)
    if place is None or place[0] not in scans:
        return None
    scan = scans[place[0]]
    attribute = scan.relation.attribute(place[1])
    column = attribute.api_column if attribute is not None else None
    if column is None or column in scan.masks or output.type_name in _TEXTS:
        return None
    path = next((path for path in scan.table.access_paths if path.keys == (column,)), None)
    if path is None:
        return None
    values = rows if groups_by(tree, output.made_of) else scan.table.rows_expected if path.single else DISTINCT_VALUES
    return AccessPath(
        name=f"{PART}_by_{output.name}",
        request=f"{request}, rows with {output.name} = ANY (..)",
        keys=(output.name,),
        batch=output.name,
        batch_keys_max=path.batch_keys_max,
        page_rows_max=path.page_rows_max,
        rows_expected=max(1, ceil(rows / max(1, values))),
    )


def _rows_expected(tree: exp.Query, read: Sequence[ScanPlan]) -> int:
    limit = tree.args.get("limit")
    if isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal) and limit.expression.is_int:
        return int(limit.expression.name)
    if (
        isinstance(tree, exp.Select)
        and tree.args.get("group") is None
        and any(each.find(exp.AggFunc) is not None and each.find(exp.Window) is None for each in tree.selects)
    ):
        return 1
    rows = max(1, *(ceil(_rows_of(scan)) for scan in read))
    if any(key.scan_name not in {scan.scan_name for scan in read} for scan in read for key in scan.deferred):
        return rows
    # It gives no more than what it is made of.
    return min(rows, sum(scan.calls_expected * scan.path.page_rows_max for scan in read))


def _rows_of(scan: ScanPlan) -> float:
    if scan.deferred:
        return scan.otherwise.rows_expected if scan.otherwise is not None else scan.table.rows_expected
    return sum(scan.rows_expected * batch_size(scan.path, one.keys) for one in scan.scans)
