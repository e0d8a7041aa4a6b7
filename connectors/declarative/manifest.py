"""The nouns of a manifest, version 1 of the language. Frozen values; `connectors.declarative.load` reads them.

The JSON Schema for editors and for the loader is generated from these declarations, so descriptions live here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec import field as defaulting

from connectors.declarative.account import (
    ApiVersion,
    Check,
    ErrorRule,
    LimitDeclared,
    OptionDeclared,
    QuotaDeclared,
    Requested,
)
from connectors.declarative.auths import Auth
from connectors.declarative.filters import DisjunctionsDeclared, Filter
from connectors.declarative.pages import Declared, Pagination
from connectors.declarative.questions import Question
from connectors.declarative.totals import CountDeclared, CountsDeclared

OPERATOR_NAMES = (
    "=", "<>", "<", "<=", ">", ">=", "in", "not_in", "contains", "is_null", "is_not_null",
    "like", "ilike", "like_prefix", "like_suffix", "like_contains", "ilike_prefix", "ilike_suffix", "ilike_contains",
)  # fmt: skip
OperatorName = Annotated[str, Meta(pattern=f"^({'|'.join(OPERATOR_NAMES)})$")]
Positive = Annotated[int, Meta(ge=1)]
Named = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,62}$")]
Inputs = Annotated[dict[str, Any], Meta(description="Sent always, beside what is said nearer to an access path.")]
RowsAt = Annotated[str | None, Meta(description="Path of the rows in a body; the body itself without it.")]
Pages = Annotated[Pagination | None, Meta(description="How a listing goes on, where nothing nearer says it.")]
Options = Annotated[dict[Named, OptionDeclared], Meta(description="Options of the server, besides base_url.")]
Limits = Annotated[dict[Named, LimitDeclared], Meta(description="Rate limits by name, as they are documented.")]
Secrets = Annotated[dict[Named, OptionDeclared], Meta(description="Options of the user mapping, kept as secrets.")]


class Push(Declared, frozen=True, kw_only=True):
    """How one operator on one column is sent, and how faithfully the API evaluates it."""

    send: Annotated[str, Meta(description="The input that takes the value, or the comparator of a GraphQL filter.")]
    at: Annotated[str | None, Meta(description="Place in the GraphQL filter, if not the column's own.")] = None
    grade: Annotated[
        Literal["exact", "superset"],
        Meta(description="exact: the rows PostgreSQL would return; superset: perhaps more, checked again."),
    ] = "superset"
    values: Annotated[tuple[str, ...], Meta(description="All values there are; any other matches no row.")] = ()
    accepts: Annotated[tuple[str, ...], Meta(description="The values that may be sent; others are not pushed.")] = ()
    pattern: Annotated[
        str | None, Meta(description="A regular expression that a text or whole number must match to be sent.")
    ] = None
    maximum: Annotated[Positive | None, Meta(description="The longest list that may be sent.")] = None
    takes: Annotated[str | None, Meta(description="A hook that says whether a value may be sent.")] = None
    rounded_s: Annotated[Positive | None, Meta(description="Seconds that times are rounded outward to.")] = None
    format: Annotated[
        Literal["iso_s", "iso_ms", "epoch_s", "epoch_ms"],
        Meta(description="How a time is written; it is rounded so that no row is lost."),
    ] = "iso_s"
    exclusive: Annotated[bool, Meta(description="The API leaves out the bound itself; one unit more is asked.")] = False
    join: Annotated[str | None, Meta(description="A list is one text with this between; else it is repeated.")] = None
    value: Annotated[str | bool | None, Meta(description="Sent in place of the column's value, for is_null, say.")] = (
        None
    )
    sends: Annotated[dict[str, str], Meta(description="What is sent for each value; others are not sent.")] = (
        defaulting(default_factory=dict)
    )
    range: Annotated[
        Literal["dots"] | None,
        Meta(description="Lower and upper bounds are one text together: from..to, >=from or <=to."),
    ] = None
    needs: Annotated[tuple[str, ...], Meta(description="Columns whose equality must be sent with it.")] = ()


Operators = dict[OperatorName, Push]


class ColumnDeclared(Declared, frozen=True, kw_only=True):
    """A column; one of path, first_of, joined, epoch_s, epoch_ms, present says where its value is."""

    type: Annotated[str, Meta(description="A PostgreSQL type, like text, int8, timestamptz, text[]; ! for never null.")]
    path: Annotated[str | None, Meta(description="Like a.b or a[*].b; the column's name without it.")] = None
    first_of: Annotated[tuple[str, ...], Meta(description="The first of these paths with a value.")] = ()
    epoch_s: Annotated[str | None, Meta(description="Path of a time in seconds since 1970.")] = None
    epoch_ms: Annotated[str | None, Meta(description="Path of a time in milliseconds since 1970.")] = None
    document: Annotated[str | None, Meta(description="Path of an Atlassian document; its plain text.")] = None
    joined: Annotated[str | None, Meta(description="Path of texts that are one text together.")] = None
    present: Annotated[str | None, Meta(description="Path; true where it has a value.")] = None
    match: Annotated[str | None, Meta(description="Regular expression; its first group in the text at path.")] = None
    number: Annotated[bool, Meta(description="The value is a number written as text.")] = False
    empty_is_null: Annotated[bool, Meta(description='The API writes null as "".')] = False
    cut: Annotated[
        str | None, Meta(description="Path of a flag that is true when the API cut a list; reading it fails then.")
    ] = None
    description: Annotated[str, Meta(description="One sentence for people.")] = ""
    select: Annotated[str | None, Meta(description="GraphQL selection; derived from path without it.")] = None
    page_rows_max: Annotated[Positive | None, Meta(description="The largest page while this is read.")] = None
    hydrate: Annotated[str | None, Meta(description="The call of the table's hydrate whose answer has the value.")] = (
        None
    )


class GraphQl(Declared, frozen=True, kw_only=True):
    """A GraphQL query whose selection is made from the columns that are read."""

    field: Annotated[str | None, Meta(description="The field of type Query that is read; {field} in paths.")] = None
    arguments: Annotated[dict[str, str], Meta(description="Its arguments and their types; those given are sent.")] = (
        defaulting(default_factory=dict)
    )
    selects: Annotated[
        str | None, Meta(description="The selection around a row's columns, with {columns} in their place.")
    ] = None
    filter: Annotated[str | None, Meta(description="The argument that takes the filter object.")] = None


class Direction(Declared, frozen=True, kw_only=True):
    """What is sent to get an order; nulls and ties of type must agree with PostgreSQL."""

    asc: Annotated[dict[str, Any] | None, Meta(description="Inputs for ascending, nulls last.")] = None
    desc: Annotated[dict[str, Any] | None, Meta(description="Inputs for descending, nulls first.")] = None


class Batch(Declared, frozen=True, kw_only=True):
    """A key whose values are sent many at a time."""

    key: Annotated[str, Meta(description="The key column.")]
    max: Annotated[int, Meta(description="How many values one request takes.", ge=1)]


class Window(Declared, frozen=True, kw_only=True):
    """A range of time that the API bounds: a longer one is read in pieces; without a start it is not sent."""

    start: Annotated[str, Meta(description="The input that takes the start, as ISO 8601.")]
    end: Annotated[str, Meta(description="The input that takes the end.")]
    days_max: Annotated[Positive, Meta(description="The longest range of one request.")]
    replaces: Annotated[tuple[str, ...], Meta(description="Inputs that are not sent with a range.")] = ()


class Projection(Declared, frozen=True, kw_only=True):
    """The input that names what to send: the paths of the columns that are read, [*] left out."""

    send: Annotated[str, Meta(description="The input that takes the names.")]
    within: Annotated[str, Meta(description="Only those below this path, like properties; all without it.")] = ""
    join: Annotated[str | None, Meta(description="The names are one text with this between; else a list.")] = None
    first: Annotated[bool, Meta(description="Only the first name of a path, or what the column selects.")] = False
    least: Annotated[str | None, Meta(description="What is named where nothing else is.")] = None
    all: Annotated[str | None, Meta(description="What a column selects to stand for everything, and alone.")] = None


class Expansion(Declared, frozen=True, kw_only=True):
    """The input that names parts which are only sent when they are asked for."""

    send: Annotated[str, Meta(description="The input that takes the names.")]
    names: Annotated[dict[str, tuple[str, ...]], Meta(description="By part: the columns that it is for.")]
    join: Annotated[str, Meta(description="What stands between the names.")] = ","


class Elements(Declared, frozen=True, kw_only=True):
    """A row for each element of a list within what the API calls one."""

    at: Annotated[str, Meta(description="Path of the list.")]
    name: Annotated[str, Meta(description="Where the element is in its row.")]
    number: Annotated[str, Meta(description="Where its number is, from 0.")]


class Bare(Declared, frozen=True, kw_only=True):
    """Larger pages, which the API has where no more than some columns are asked for."""

    columns: Annotated[tuple[str, ...], Meta(description="Those columns.")]
    rows_max: Annotated[Positive, Meta(description="The largest page of them.")]


Fills = Annotated[
    dict[str, str], Meta(description="By placeholder that is no column's name: the column it stands for.")
]


class TogetherDeclared(Declared, frozen=True, kw_only=True):
    """The calls for several rows made as one, as a hook says."""

    hook: Annotated[str, Meta(description="The name of a hook.")]
    max: Annotated[Positive, Meta(description="How many rows one call is for.")]
    pays: Annotated[str | None, Meta(description="The rate limit it counts against, if not the manifest's.")] = None


class HydrateDeclared(Declared, frozen=True, kw_only=True):
    """A call of its own for each row, made only where a column of it is read."""

    request: Annotated[
        Annotated[str, Meta(pattern="^GET /")], Meta(description="Like GET /users/{id}: columns of the row in braces.")
    ]
    inputs: Annotated[dict[str, str], Meta(description="Parameters, with columns of the row in braces.")] = defaulting(
        default_factory=dict
    )
    fills: Fills = defaulting(default_factory=dict)
    together: TogetherDeclared | None = None
    empty: Annotated[tuple[int, ...], Meta(description="Statuses that mean null.")] = ()


class DeltaDeclared(Declared, frozen=True, kw_only=True):
    """Rows that changed can be asked for, by a lower bound that is pushed on the time of their last change."""

    column: Annotated[str, Meta(description="The source's own time of last change; nothing else moves with it.")]
    overlap_s: Annotated[float, Meta(description="How much earlier is asked, because an index lags.")] = 60.0
    keeps: Annotated[tuple[str, ...], Meta(description="Columns that hardly ever change.")] = ()


class Spelling(Declared, frozen=True, kw_only=True):
    """How the API spells a key that rows do not tell, asked for once where its column is read."""

    request: Annotated[Annotated[str, Meta(pattern="^GET /")], Meta(description="With the key in braces.")]
    at: Annotated[str, Meta(description="Path in the body; without an answer it is as it was asked for.")]


class PathDeclared(Declared, frozen=True, kw_only=True):
    """One way to read a table; what it leaves out is the table's."""

    request: Annotated[
        Requested | None, Meta(description="Like GET /projects/{project_id}/issues: keys and options in braces.")
    ] = None
    graphql: GraphQl | None = None
    inputs: Annotated[
        dict[str, Any],
        Meta(
            description="Sent always: parameters of GET, members of a POST body, variables of GraphQL. {key} is a key."
        ),
    ] = defaulting(default_factory=dict)
    keys: Annotated[tuple[str, ...], Meta(description="Columns that must be given by equality.")] = ()
    fills: Fills = defaulting(default_factory=dict)
    keys_from: Annotated[str | None, Meta(description="A hook that makes what fills the request out of keys.")] = None
    note: Annotated[str | None, Meta(description="What people are told beside the request.")] = None
    echo: Annotated[tuple[str, ...], Meta(description="Keys whose columns the rows do not tell.")] = ()
    spelled: Annotated[dict[str, Spelling], Meta(description="By such a key: who tells how it is spelled.")] = (
        defaulting(default_factory=dict)
    )
    asked: Annotated[
        str | None,
        Meta(description="A column that rows do not tell, but its = does: read, it takes a listing for each value."),
    ] = None
    needs: Annotated[tuple[str, ...], Meta(description="Columns of which a condition must be sent.")] = ()
    batch: Batch | None = None
    single: Annotated[
        bool,
        Meta(description="One row at most for each value of the keys; at rows is that row, or the list of a batch."),
    ] = False
    rows: Annotated[str | None, Meta(description="Path of the rows in the body; the body itself without it.")] = None
    wrap: Annotated[
        str | None, Meta(description="Rows are plain values; each becomes an object with the value under this name.")
    ] = None
    empty: Annotated[tuple[int, ...], Meta(description="Statuses that mean that no row matches.")] = ()
    pushdown: Annotated[
        tuple[str, ...] | dict[str, str | Operators] | None,
        Meta(description="Columns of the table's pushdown to use, all without it; or what stands in its place."),
    ] = None
    order: Annotated[tuple[str, ...] | None, Meta(description="Columns of the table's order to use; all.")] = None
    pagination: Pages = None
    rows_max: Annotated[Positive | None, Meta(description="What the API gives at most; more is reported.")] = None
    accept: Annotated[str | None, Meta(description="The media type that is asked for, if not the manifest's.")] = None
    cost: Annotated[Positive, Meta(description="Units of that rate limit which one request takes.")] = 1
    pays: Annotated[str | None, Meta(description="The rate limit that it counts against, if not the manifest's.")] = (
        None
    )
    window: Window | None = None
    filter: Filter | None = None
    disjunctions: DisjunctionsDeclared | None = None
    narrow: Annotated[str | None, Meta(description="A hook that leaves out what the source would refuse.")] = None
    projection: Projection | None = None
    expands: Expansion | None = None
    elements: Elements | None = None
    bare: Bare | None = None
    order_keys_max: Annotated[Positive, Meta(description="Columns of one order, where a hook writes it.")] = 1
    posts_beyond: Annotated[
        Positive | None, Meta(description="A GET of more characters of parameters is a POST with a JSON body.")
    ] = None
    count: Annotated[CountDeclared | None, Meta(description="Where the API tells how many rows there are.")] = None
    counts: CountsDeclared | None = None
    boundary: Annotated[
        str | None,
        Meta(description="A time that no input bounds: read newest first, the listing ends at the first older row."),
    ] = None
    delta: DeltaDeclared | None = None
    holds: Annotated[tuple[str, ...], Meta(description="Calls of hydrate that these rows do without.")] = ()
    instead: Annotated[str | None, Meta(description="A hook: what is read where there is no such listing.")] = None


class TableDeclared(Declared, frozen=True, kw_only=True):
    """One API table."""

    description: Annotated[str, Meta(description="One sentence for people.")]
    primary_key: Annotated[tuple[str, ...], Meta(description="Columns that tell rows apart.", min_length=1)]
    columns: Annotated[
        dict[Named, str | ColumnDeclared],
        Meta(description='Each "type path", the path being the name without it, or an object; ! for never null.'),
    ]
    access_paths: Annotated[dict[Named, PathDeclared], Meta(description="The preferred one first.", min_length=1)]
    rows_expected: Annotated[int, Meta(description="The planner's prior for one combination of keys.", ge=1)] = 1000
    misfits: Annotated[
        Literal["fail", "warn"],
        Meta(
            description="What a value does that does not fit its column's type. fail: the reading fails; warn: it is "
            "null, counted and told; in a key, a never-null column and what was sent to the API it still fails."
        ),
    ] = "fail"
    pushdown: Annotated[
        dict[str, str | Operators],
        Meta(description='By column: its operators, or "set at": a named set and the place in the filter.'),
    ] = defaulting(default_factory=dict)
    order: Annotated[dict[str, Direction], Meta(description="By column.")] = defaulting(default_factory=dict)
    size_request: Annotated[str, Meta(description="For people: the requests by which measure learns its size.")] = ""
    rows: RowsAt = None
    pagination: Pages = None
    graphql: GraphQl | None = None
    inputs: Inputs = defaulting(default_factory=dict)
    hydrate: Annotated[dict[Named, HydrateDeclared], Meta(description="Calls for each row, by name.")] = defaulting(
        default_factory=dict
    )
    formats: Annotated[
        dict[str, str],
        Meta(
            description="By key: the regular expression of all its values; another one matches no row, without a call."
        ),
    ] = defaulting(default_factory=dict)
    references: Annotated[
        dict[str, str], Meta(description="By key: the table.column of this source whose values it takes.")
    ] = defaulting(default_factory=dict)
    tests: Annotated[tuple[Question, ...], Meta(description="Queries that its proof asks.")] = ()


class Manifest(Declared, frozen=True, kw_only=True):
    """A connector."""

    omnisql: Annotated[Literal[1], Meta(description="Version of the manifest language.")]
    name: Annotated[Named, Meta(description="Name of the foreign-data wrapper; the file's name.")]
    version: Annotated[
        Positive, Meta(description="Version of the tables' shape: a change that breaks statements raises it.")
    ] = 1
    title: Annotated[str, Meta(description="Name of the product, for people.")]
    documentation: Annotated[str, Meta(description="Where the vendor documents the API.")]
    base_url: Annotated[str | None, Meta(description="Default address; without it option base_url is required.")] = None
    base_url_description: Annotated[str | None, Meta(description="One sentence for people, if it needs one.")] = None
    graphql_path: Annotated[
        Annotated[str, Meta(pattern="^/")] | None, Meta(description="Where GraphQL queries are posted.")
    ] = None
    api_version: ApiVersion | None = None
    headers: Annotated[dict[str, str], Meta(description="Sent with each request.")] = defaulting(default_factory=dict)
    accept: Annotated[str, Meta(description="Header Accept of each request.")] = "application/json"
    conditional: Annotated[bool, Meta(description="Answers are kept and asked for by their entity tags.")] = True
    options: Options = defaulting(default_factory=dict)
    secrets: Secrets = defaulting(default_factory=dict)
    auth: Annotated[
        tuple[Auth, ...],
        Meta(description="The first whose placeholders are all given; [] for an API that asks nobody who they are."),
    ]
    rate_limit: QuotaDeclared | None = None
    limits: Limits = defaulting(default_factory=dict)
    errors: Annotated[tuple[ErrorRule, ...], Meta(description="What answers mean, before their status says it.")] = ()
    judge: Annotated[str | None, Meta(description="A hook that says what answers mean, before errors.")] = None
    discover: Annotated[str | None, Meta(description="A hook that asks for the columns of this source.")] = None
    measure: Annotated[str | None, Meta(description="A hook that asks for the sizes of tables.")] = None
    revalidates: Annotated[
        bool,
        Meta(description="The validator of an answer changes whenever a row in it does, and a 304 costs less."),
    ] = False
    empty: Annotated[tuple[int, ...], Meta(description="Statuses that mean that no row matches.")] = ()
    check: Check
    operators: Annotated[dict[Named, Operators], Meta(description="Sets of operators that tables use by name.")] = (
        defaulting(default_factory=dict)
    )
    pagination: Pages = None
    graphql: Annotated[GraphQl | None, Meta(description="What the queries of tables share.")] = None
    rows: RowsAt = None
    inputs: Inputs = defaulting(default_factory=dict)
    tables: Annotated[dict[Named, TableDeclared], Meta(description="Its tables, by name.", min_length=1)]
