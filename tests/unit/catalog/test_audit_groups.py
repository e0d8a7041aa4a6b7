"""Texts of records that are written together: what repeats is written once, and read back in full."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.audit_groups import GroupText, in_full

VALUES = st.text() | st.integers() | st.lists(st.text())


def members(record: dict[str, object]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))[1:-1]


@given(st.lists(st.tuples(VALUES, st.sampled_from([{}, {"said": "SELECT ?"}, {"said": "ä", "of": ["1"]}]))))
def test_every_record_reads_back_in_full(records: list[tuple[object, dict[str, object]]]) -> None:
    group = GroupText()
    for number, (own, common) in enumerate(records):
        group.add(members({"id": number, "own": own}), members(common))
    lines = group.text.split("\n") if records else []
    read = [json.loads(each) for each in in_full(lines)]
    assert read == [{"id": number, "own": own, **common} for number, (own, common) in enumerate(records)]


def test_what_repeats_is_written_once() -> None:
    group = GroupText()
    for number in range(3):
        group.add(f'"id":{number}', '"text":"SELECT ?"')
        group.add(f'"id":{number}', "")
    assert group.lines == [
        '{"id":0,"text":"SELECT ?"}',
        '{"id":0}',
        '{"like":2,"id":1}',
        '{"id":1}',
        '{"like":4,"id":2}',
        '{"id":2}',
    ]


@pytest.mark.parametrize("line", ['{"like":1,"id":0}', '{"like":0}', '{"like":-1}', '{"like":"1"}', '{"like":'])
def test_a_record_that_is_like_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"like one that is not there|Expecting"):
        in_full([line])
