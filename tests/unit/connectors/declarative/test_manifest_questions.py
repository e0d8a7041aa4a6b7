"""Test queries of a manifest: what is understood, what is refused with its place, what an answer is held against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from connectors.declarative.asking import failures_of, read_query
from connectors.declarative.load import load_text
from connectors.declarative.questions import Question
from connectors.registry import manifest_named, manifest_names, shipped_file
from connectors.sdk.connector import FetchContext, RequestRecord
from connectors.sdk.decode import Row, RowDecoder
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Direction, Operator, Page, Predicate, Scan, SortKey

TICKETS = manifest_named("zendesk").tables["tickets"].table
CHARGES = manifest_named("stripe").tables["charges"].table
RECORD = RequestRecord(
    method="GET", template="/", status=200, duration_ms=1, bytes_received=1, attempt=1, revalidated=False
)


def on(column: str, operator: Operator, value: object = None) -> Predicate:
    return Predicate(column=column, operator=operator, value=value)  # type: ignore[arg-type]


def test_a_query_is_read_with_the_types_of_its_columns() -> None:
    asked = read_query(
        "SELECT id, status FROM tickets WHERE id IN (1, 2) AND created_at >= '2026-01-02' AND subject LIKE 'a%' "
        "AND NOT status IN ('new') AND due_at IS NOT NULL ORDER BY updated_at DESC LIMIT 7",
        TICKETS,
    )
    assert asked.columns == ("id", "status")
    assert asked.predicates == (
        on("id", Operator.IN, (1, 2)),
        on("created_at", Operator.GE, datetime(2026, 1, 2, tzinfo=UTC)),
        on("subject", Operator.LIKE, "a%"),
        on("status", Operator.NOT_IN, ("new",)),
        on("due_at", Operator.IS_NOT_NULL),
    )
    assert (asked.order, asked.limit) == (SortKey(column="updated_at", direction=Direction.DESC), 7)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEKT", "it is no SELECT"),
        ("SELECT (", "it is no SQL"),
        ("DELETE FROM tickets", "it is no SELECT"),
        ("SELECT id FROM users", "it does not read tickets alone"),
        ("SELECT t.id FROM tickets t JOIN users u ON true", "it has joins"),
        ("SELECT id FROM tickets GROUP BY id", "it has group"),
        ("SELECT count(*) FROM tickets", "is no column"),
        ("SELECT nowhere FROM tickets", "there is no column nowhere"),
        ("SELECT id FROM tickets WHERE status = 'a' OR status = 'b'", "is no column"),
        ("SELECT id FROM tickets WHERE status = subject", "is no literal"),
        ("SELECT id FROM tickets WHERE id = 'x'", "a literal for column id is not of type int8"),
        ("SELECT id FROM tickets ORDER BY id, status", "an order of several columns"),
    ],
)
def test_what_is_no_test_query_is_refused(sql: str, words: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        read_query(sql, TICKETS)
    assert words in refused.value.message


def test_a_manifest_with_a_query_that_is_none_is_refused_with_its_place() -> None:
    text = shipped_file("slack").read_text(encoding="utf-8")
    wrong = text.replace("SELECT id FROM channels WHERE is_archived = false", "SELECT id FROM channels WHERE gone = 1")
    with pytest.raises(ManifestInvalid) as refused:
        load_text(wrong, "slack.yaml")
    assert "there is no column gone" in refused.value.message
    assert refused.value.place is not None
    assert "WHERE gone" in wrong.splitlines()[refused.value.place[0] - 1]


class Charges:
    """A source of three charges, of which it gives one a call."""

    def __init__(self) -> None:
        self.scans: list[Scan] = []

    async def fetch(self, scan: Scan, context: FetchContext) -> AsyncIterator[Page]:
        self.scans.append(scan)
        rows: list[Row] = [{"id": f"ch_{number}", "customer": f"cus_{number % 2}"} for number in range(3)]
        for row in rows[: scan.limit]:
            context.meter.request(RECORD)
            yield Page(rows=RowDecoder(CHARGES, scan.columns).batch([row]))

    async def check(self) -> str:
        return "charges"

    async def disconnect(self) -> None:
        return None


@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        (Question(sql="SELECT id FROM charges", rows_min=3, calls_max=3), []),
        (Question(sql="SELECT id FROM charges LIMIT 1", calls_max=1), []),
        (Question(sql="SELECT id FROM charges", rows_min=4), ["3 rows, 4 are expected at least"]),
        (Question(sql="SELECT id FROM charges", calls_max=2), ["3 calls by all, 2 are expected at most"]),
        (Question(sql="SELECT id FROM charges WHERE customer_id = 'cus_9'"), ["0 rows, 1 are expected at least"]),
    ],
)
async def test_an_answer_is_held_against_what_is_expected(question: Question, wrong: list[str]) -> None:
    found = await failures_of(Charges(), CHARGES, question, {}, QUIET_CONTEXT)
    assert found == [f"{question.sql}: {each}" for each in wrong]


async def test_a_query_is_asked_by_the_path_that_takes_most_of_it() -> None:
    source = Charges()
    for sql in (
        "SELECT id FROM charges WHERE id = 'ch_1'",
        "SELECT id FROM charges WHERE customer_id = 'cus_1' AND status = 'x' LIMIT 1",
        "SELECT id FROM charges ORDER BY created_at DESC LIMIT 2",
    ):
        await failures_of(source, CHARGES, Question(sql=sql, rows_min=0), {}, QUIET_CONTEXT)
    assert [scan.access_path for scan in source.scans] == ["by_id", "all", "all"]
    assert source.scans[0].keys == {"id": "ch_1"}
    assert (source.scans[1].predicates, source.scans[1].limit) == ((on("customer_id", Operator.EQ, "cus_1"),), None)
    assert (source.scans[2].order[0].column, source.scans[2].limit) == ("created_at", 2)


def test_every_table_of_a_manifest_without_hooks_has_a_test_query() -> None:
    names = [name for name in manifest_names() if manifest_named(name).manifest.judge is None]
    assert len(names) >= 8
    lacking = [
        f"{name}.{table}"
        for name in names
        for table, declared in manifest_named(name).manifest.tables.items()
        if not declared.tests
    ]
    assert lacking == []
