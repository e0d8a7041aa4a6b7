"""Texts of records that are written together: what repeats is written once, and read back in full."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.audit_groups import Again, GroupText, in_full, moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COMMONS = st.sampled_from(['"said":"SELECT ?"', '"said":"ä","of":["1"]', '"kind":"SELECT","text":"\\n"'])
TIMES_US = st.integers(0, 4_000_000_000_000_000)
TRACES = st.sampled_from(["", "0af7651916cd43dd8448eb211c80319c"])
AGAIN = st.builds(Again, COMMONS, st.text(), TRACES, TIMES_US)


@given(st.lists(AGAIN | st.text().map(lambda text: json.dumps({"own": text}))))
def test_every_record_reads_back_in_full(records: list[Again | str]) -> None:
    group = GroupText("5a17")
    expected = []
    for number, record in enumerate(records):
        if isinstance(record, str):
            group.add(record)
            expected.append(json.loads(record))
            continue
        group.add_again(record, f"id{number}")
        common, client, trace_id, at_us = record
        at = (EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds")
        own = {"id": f"id{number}", "at": at, "client": client, "query_id": f"id{number}", "trace_id": trace_id}
        expected.append({**own, "salt": "5a17", **json.loads(f"{{{common}}}")})
    lines = group.text.split("\n") if records else []
    assert [json.loads(each) for each in in_full(lines)] == expected


def test_what_repeats_is_written_once() -> None:
    group = GroupText("5a17")
    again = Again('"text":"SELECT ?"', "::1", "", 1_000_000)
    group.add_again(again, "a")
    group.add('{"id":"b"}')
    group.add_again(again._replace(at_us=1_000_007), "c")
    group.add_again(again._replace(at_us=999_999, client='"', trace_id="f0"), "d")
    assert group.lines == [
        '{"id":"a","at":"1970-01-01T00:00:01.000000+00:00","client":"::1","query_id":"a","trace_id":"",'
        '"salt":"5a17","text":"SELECT ?"}',
        '{"id":"b"}',
        '{"like":2,"id":"c","after_us":7}',
        '{"like":3,"id":"d","after_us":-1,"client":"\\"","trace_id":"f0"}',
    ]


def test_lines_without_a_time_of_their_own_are_read_as_they_were_written_before() -> None:
    first = '{"id":1,"at":"then","text":"SELECT ?"}'
    assert [json.loads(each) for each in in_full([first, '{"like":1,"id":2,"at":"now"}'])] == [
        {"id": 1, "at": "then", "text": "SELECT ?"},
        {"id": 2, "at": "now", "text": "SELECT ?"},
    ]


@pytest.mark.parametrize("line", ['{"like":1,"id":0}', '{"like":0}', '{"like":-1}', '{"like":"1"}', '{"like":'])
def test_a_record_that_is_like_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"like one that is not there|Expecting"):
        in_full([line])


@pytest.mark.parametrize(
    ("first", "after_us"),
    [
        ("{}", "1"),
        ('{"at":1}', "1"),
        ('{"at":"then"}', "1"),
        (f'{{"at":"{moment(0)}"}}', '"1"'),
        (f'{{"at":"{moment(0)}"}}', f"-{10**17}"),
        (f'{{"at":"{moment(0)}"}}', f"{10**30}"),
    ],
)
def test_a_time_that_is_none_is_refused(first: str, after_us: str) -> None:
    with pytest.raises(ValueError, match=r"microseconds|isoformat|time"):
        in_full([first, f'{{"like":1,"id":"a","after_us":{after_us}}}'])
