"""How old the rows of a scan may be: whose word counts, and what is a duration."""

from __future__ import annotations

import pytest

from omnisql_server.model.freshness import Staleness, StalenessInvalid, duration_us, staleness_of

SECOND_US = 1_000_000


@pytest.mark.parametrize(
    ("statement_us", "table", "server", "bound_us"),
    [
        (5, {"max_staleness": "1 s"}, {"max_staleness": "2 s"}, 5),
        (0, {"max_staleness": "1 s"}, {"max_staleness": "2 s"}, 0),
        (None, {"max_staleness": "1 s"}, {"max_staleness": "2 s"}, SECOND_US),
        (None, {"max_staleness": "0"}, {"max_staleness": "2 s"}, 0),
        (None, {}, {"max_staleness": "2 s"}, 2 * SECOND_US),
        (None, {}, {}, 0),
    ],
)
def test_the_statement_counts_before_its_table_and_that_before_its_server(
    statement_us: int | None, table: dict[str, str], server: dict[str, str], bound_us: int
) -> None:
    bound = staleness_of(statement_us, 0, table, server)
    # What a table or server allows is kept for others, although this statement takes nothing.
    assert (bound.max_us, bound.kept) == (bound_us, table.get("max_staleness", server.get("max_staleness", "0")) != "0")


def test_who_names_a_bound_is_not_shown_older_rows_meanwhile() -> None:
    table = {"max_staleness": "1 s", "stale_while_revalidate": "1 min"}
    assert staleness_of(None, 0, table, {}).revalidate_us == 60 * SECOND_US
    assert staleness_of(SECOND_US, 0, table, {}).revalidate_us == 0
    assert staleness_of(None, 0, {"stale_while_revalidate": "1 min"}, {}) == Staleness()


@pytest.mark.parametrize(
    ("text", "us"),
    [("5", 5000), ("5ms", 5000), (" 2 MIN ", 120_000_000), ("1h", 3_600_000_000), ("1d", 86_400_000_000), ("7us", 7)],
)
def test_a_duration_has_a_unit_or_counts_milliseconds(text: str, us: int) -> None:
    assert duration_us(text) == us


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5 s", "5 weeks", "1e3", "9999999999", "٥ s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert duration_us(text) is None
    with pytest.raises(StalenessInvalid) as refused:
        staleness_of(None, 0, {"max_staleness": text}, {})
    assert (refused.value.sqlstate, "foreign table" in refused.value.message) == ("HV00D", True)
