"""Whether texts that differ in digits alone may name different relations is told without missing any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.carriers import Carriers
from catalog.snapshot import ReachingRelation, Snapshot


def snapshot(*names: str, derived: tuple[str, ...] = (), carriers: tuple[str, ...] = ()) -> Snapshot:
    def relations(named: tuple[str, ...]) -> dict[int, ReachingRelation]:
        return {oid: ReachingRelation(oid=oid, schema="s", name=name, kind="f") for oid, name in enumerate(named)}

    return Snapshot(
        sequence=1,
        settled=True,
        reaching=relations(names),
        tables={},
        servers={},
        derived=relations(derived),
        carriers=Carriers(names=frozenset((name, frozenset({1})) for name in carriers)),
    )


@pytest.mark.parametrize(
    "made",
    [snapshot("issues", "s3_objects"), snapshot(derived=("s3_objects",)), snapshot(carriers=("s3_objects",))],
    ids=["api", "derived", "carrier"],
)
def test_a_name_with_digits_counts_wherever_it_comes_from(made: Snapshot) -> None:
    assert made.digits_matter(b"SELECT 1 FROM s3_objects")
    assert made.digits_matter(b"SELECT 1 FROM S4_Objects")
    assert not made.digits_matter(b"SELECT 1 FROM s_objects WHERE a = 3")
    assert not made.digits_matter(b"SELECT 1 FROM issues WHERE number = 3")


NAME = st.text(st.sampled_from('aB_109 "é'), min_size=1, max_size=6)


@given(
    names=st.lists(NAME, min_size=1, max_size=3),
    text=st.text(st.sampled_from('aB_109 "é(&Uu'), max_size=14),
    data=st.data(),
)
def test_where_it_says_no_no_digit_changes_what_is_named(names: list[str], text: str, data: st.DataObject) -> None:
    made, found = snapshot(*names), text.encode()
    digits = st.sampled_from("0123456789")
    other = "".join(data.draw(digits) if letter in "0123456789" else letter for letter in text).encode()
    if not made.digits_matter(found):
        assert made.may_reach(found) == made.may_reach(other)
