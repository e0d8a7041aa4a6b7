"""The tables of schema `omnisql`: live state, read without a request. Declarations only."""

from __future__ import annotations

from connectors.sdk.table import AccessPath, Column, Table

REQUEST = "this server's own state"
ROWS_EXPECTED = 100
PAGE_ROWS_MAX = 1_000_000
"""All rows come in one page; no tenant has as many columns."""


def _column(text: str, description: str) -> Column:
    """Read a `name type` declaration; a `!` after the type forbids null."""
    name, kind = text.split()
    return Column(
        name=name,
        type_name=kind.rstrip("!"),
        path=name,
        description=description,
        nullable=not kind.endswith("!"),
    )


def _table(name: str, description: str, primary_key: str, *columns: Column) -> Table:
    return Table(
        name=name,
        description=description,
        columns=columns,
        primary_key=tuple(primary_key.split()),
        access_paths=(AccessPath(name="all", request=REQUEST, page_rows_max=PAGE_ROWS_MAX),),
        rows_expected=ROWS_EXPECTED,
    )


SOURCES = _table(
    "sources",
    "Configured accounts whose tables you may read.",
    "source",
    _column("source text!", "Name of the foreign server."),
    _column("connector text!", "Name of the foreign-data wrapper."),
    _column("options jsonb!", "Options of the source; secrets are never among them."),
    _column("table_count int4!", "Number of its foreign tables that you may read."),
)

TABLES = _table(
    "tables",
    "API tables that you may read.",
    "schema_name table_name",
    _column("source text!", "Name of the foreign server."),
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("api_table text!", "Name of the table at its connector."),
    _column("description text", "What its rows are."),
    _column("primary_key text[]!", "Columns that identify a row."),
    _column("key_columns text[]!", "Columns that need a value, at the least; another access path may need more."),
    _column("size_request text", "The requests by which ANALYZE learns its size; null where its API does not tell."),
)

COLUMNS = _table(
    "columns",
    "Columns of API tables, and what can be pushed on them by some access path.",
    "schema_name table_name column_name",
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("column_name text!", "Name of the column."),
    _column("type text", "Type of the column."),
    _column("description text", "What it holds."),
    _column("operators jsonb!", "Operators that can be pushed, each with its best grade."),
    _column("below_or bool!", "Whether some access path takes them below OR between columns."),
    _column("sortable text[]!", "Directions in which the API can sort by it."),
    _column("key bool!", "Whether some access path needs a value for it."),
    _column("hydrated bool!", "Whether it costs more requests than the listing."),
    _column("rows_per_call int4", "How many rows one such request fills; null where none is needed."),
)

ACCESS_PATHS = _table(
    "access_paths",
    "The ways in which each API table can be read.",
    "schema_name table_name access_path",
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("access_path text!", "Name of the access path."),
    _column("request text!", "The API request behind it."),
    _column("keys text[]!", "Columns that each need a value."),
    _column("page_rows_max int4!", "Most rows of one page."),
    _column("rows_max int4", "Most rows that the API gives for one combination of keys; null for no limit."),
    _column("single bool!", "Whether a combination of keys matches one row at most."),
    _column("parallel bool!", "Whether pages after the first can be read at once."),
    _column("batch text", "Key column of which a request takes many values; null where it takes one."),
    _column("batch_keys_max int4", "How many values of that column a request takes."),
    _column("sortable jsonb!", "Directions in which the API sorts as PostgreSQL does, by column."),
    _column("calls text!", "API requests of one combination of keys, without those of columns that cost some per row."),
    _column("pays text!", "Rate limit of the source that these requests count against."),
    _column("points_per_call int4!", "Points of that limit which a request takes at most."),
    _column("complexity text", "Points that it takes of another limit, by the fields and rows that are asked for."),
    _column("changed_by text", "Column by which what has changed can be asked for alone."),
    _column("revalidates bool!", "Whether the source confirms an earlier answer for less than a new one."),
    _column("resumes bool!", "Whether a listing that failed goes on where it was."),
    _column("pushdown jsonb!", "Operators that can be pushed, each with its grade, by column."),
    _column("below_or text[]", "Columns whose conditions can be pushed below OR between columns; null for none."),
    _column("or_bounds jsonb!", "How many alternatives and conditions such an OR may have, where the source says it."),
)

LAST_QUERY_SOURCES = _table(
    "last_query_sources",
    "What this session's last statement over API tables got from each source.",
    "",
    _column("source text!", "Name of the foreign server."),
    _column("table text!", "The foreign table."),
    _column("access_path text!", "The access path by which it was read."),
    _column("requests int4!", "API requests made."),
    _column("pages int4!", "Pages received."),
    _column("revalidated int4!", "Requests that were answered by 304, nothing has changed."),
    _column("rows_fetched int8", "Rows that came from the API; null where policy may hide some."),
    _column("rows_returned int8!", "Rows left after policy."),
    _column("bytes_received int8", "Bytes of the responses' bodies; null where policy may hide rows."),
    _column("pushed text[]!", "Predicates that went to the API."),
    _column("not_pushed text[]!", "Conditions that did not, each with the reason."),
    _column("complete bool!", "False when the API gave less than there is."),
    _column("incomplete_reason text", "Why the answer is incomplete."),
    _column("fetched_at timestamptz!", "When the source had answered, for the oldest rows."),
    _column("duration_ms float8!", "Milliseconds from the first request to the last answer."),
    _column("cache_hits int4!", "Earlier requests whose rows were used."),
    _column("calls_saved int4!", "API requests that those had taken."),
    _column("age_ms float8!", "Age of the oldest rows when the statement began to read, in milliseconds."),
    _column("stale text", "The failure of the source that older rows stand in for."),
    _column("cache_note text", "Whether a fetch was shared, and why what was fetched is not kept."),
    _column("resets_at timestamptz", "When a source may be asked again that has used up its rate limit."),
    _column("misfits jsonb!", "Values that are null because they did not fit, counted by API column."),
)

CACHE = _table(
    "cache",
    "Answers of sources that are kept under your credentials, of tables that you may read.",
    "",
    _column("source text!", "Name of the foreign server."),
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("access_path text!", "The access path by which it was read."),
    _column(
        "domain text[]!", "Columns and operators of the conditions that were sent, without values: some are policy's."
    ),
    _column("columns text[]!", "API columns that are filled."),
    _column("row_limit int8", "Rows that were asked for; null where they are all."),
    _column("rows int8!", "Rows that are kept."),
    _column("bytes int8!", "Bytes of these rows, decoded."),
    _column("age_ms float8!", "Milliseconds since they were asked for."),
    _column("hits int8!", "Times that they were used."),
    _column("calls_saved int8!", "API requests that this saved."),
)

STATISTICS = _table(
    "statistics",
    "What is known of the sizes of API tables, by what was asked of them; ANALYZE refreshes it.",
    "schema_name table_name shape",
    _column("source text!", "Name of the foreign server."),
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("shape text[]!", "Columns and operators asked for, with the number of values; empty for everything."),
    _column("rows float8!", "Rows for each combination of values of key columns, on average."),
    _column("pages float8!", "Pages for each combination of values of key columns, on average."),
    _column("calls float8!", "API requests for each combination of values of key columns, on average."),
    _column("latency_ms float8!", "Milliseconds of wall time per request, on average."),
    _column("sightings int4!", "Fetches that were averaged, counted since the last total of the source."),
    _column("seen_at timestamptz!", "When it was last observed."),
    _column("origin text!", "`observed` by fetches, or `source`: based on a total that the source told."),
    _column("stale bool!", "Whether the next observation replaces it."),
)

AUDIT = _table(
    "audit",
    "The last records of the audit: all for the owner of the tenant, for others those of their own statements.",
    "number",
    _column("number int8!", "Place in the tenant's chain."),
    _column("at timestamptz!", "When it was done."),
    _column("id text!", "Of the statement; a start and a finish share it."),
    _column("phase text!", "`whole`, `start` or `finish`."),
    _column("kind text!", "What was asked for."),
    _column("principal text!", "Who logged in; empty for what the server noticed itself."),
    _column("roles text[]!", "The principal, and the role that was set."),
    _column("client text!", "Address of the client."),
    _column("fingerprint text!", "PostgreSQL's fingerprint of the statement."),
    _column("text text!", "The statement without constants and remarks."),
    _column("sources text[]!", "Servers that it reads."),
    _column("tables text[]!", "API tables that it reads."),
    _column("columns text[]!", "API columns that it uses, each after its table."),
    _column("filters text[]!", "Row filters that were applied, by policy."),
    _column("masks text[]!", "Columns that were masked, each with its policy."),
    _column("policy_revision text!", "The policy that decided."),
    _column("outcome text!", "SQLSTATE; empty at the start."),
    _column("rows int8!", "Rows handed to the client."),
    _column("rows_read int8!", "Rows of API tables after policy."),
    _column("calls int8!", "Requests made to sources."),
    _column("detail text!", "Command tag, or what an act was about."),
)

PUSHDOWN_MISSES = _table(
    "pushdown_misses",
    "Conditions that no API evaluated, of all statements on all servers, and the calls made under them.",
    "schema_name table_name condition",
    _column("source text!", "Name of the foreign server."),
    _column("schema_name text!", "Schema of the foreign table."),
    _column("table_name text!", "Name of the foreign table."),
    _column("condition text!", "The condition, with ? in the place of every literal."),
    _column("reason text!", "Why it was not sent, when it was last seen."),
    _column("rewrite text", "What to write instead, if that would have saved calls."),
    _column("statements int8!", "Statements with it that made calls for this table."),
    _column("calls int8!", "API requests that these made for this table."),
    _column("rows_fetched int8!", "Rows that came back."),
    _column("seen_at timestamptz!", "When it was last seen."),
)

INTROSPECTION_TABLES = (
    SOURCES,
    TABLES,
    COLUMNS,
    ACCESS_PATHS,
    LAST_QUERY_SOURCES,
    CACHE,
    STATISTICS,
    PUSHDOWN_MISSES,
    AUDIT,
)
