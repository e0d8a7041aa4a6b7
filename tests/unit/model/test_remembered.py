"""A bounded set of short texts."""

from __future__ import annotations

from catalog.name_pattern import shape
from omnisql_server.model.remembered import TEXT_BYTES_MAX, TEXTS_MAX, Remembered


def test_texts_that_differ_in_numbers_have_one_shape() -> None:
    assert shape(b"a = 12 AND b7 = '3'") == shape(b"a = 98 AND b1 = '0'") == b"a = 00 AND b0 = '0'"


def test_it_is_bounded() -> None:
    remembered = Remembered()
    remembered.add(b"x" * (TEXT_BYTES_MAX + 1))
    assert b"x" * (TEXT_BYTES_MAX + 1) not in remembered
    for number in range(TEXTS_MAX):
        remembered.add(b"%d" % number)
    assert b"0" in remembered
    remembered.add(b"one more", under="pair")
    assert (b"one more", "pair") in remembered
    assert b"0" not in remembered
