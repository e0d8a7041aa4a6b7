"""Texts that were found plain are known again by their shape, but never where another digit makes a difference."""

from __future__ import annotations

import pytest

from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.remembered import TEXT_BYTES_MAX, TEXTS_MAX


def names_s3(text: bytes) -> bool:
    return b"s0_" in text or b"s3_" in text


@pytest.fixture
def plain() -> PlainTexts:
    return PlainTexts(names_s3)


@pytest.mark.parametrize("leaves_state", [False, True])
def test_texts_that_differ_in_numbers_are_the_same(plain: PlainTexts, leaves_state: bool) -> None:
    plain.add(b"SELECT a FROM b WHERE c IN (17, 4)", leaves_state=leaves_state)
    assert plain.leaves_state(b"SELECT a FROM b WHERE c IN (20, 5)") is leaves_state
    assert plain.leaves_state(b"SELECT a FROM b WHERE c IN (20, 50)") is None


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (b"SELECT a FROM s0_objects", b"SELECT a FROM s3_objects"),
        (b"SELECT sha256(a)", b"SELECT sha999(a)"),
        (b"SELECT sha000 \t(a)", b"SELECT sha999 \t(a)"),
        (b"SELECT a0b_c(a)", b"SELECT a1b_c(a)"),
    ],
)
def test_a_digit_that_matters_makes_another_text(plain: PlainTexts, known: bytes, other: bytes) -> None:
    plain.add(known, leaves_state=False)
    assert plain.leaves_state(known) is False
    assert plain.leaves_state(other) is None


def test_a_long_text_is_not_kept(plain: PlainTexts) -> None:
    long = b"x" * (TEXT_BYTES_MAX + 1)
    plain.add(long, leaves_state=False)
    assert plain.leaves_state(long) is None


def test_they_begin_anew_when_there_are_too_many(plain: PlainTexts) -> None:
    for number in range(TEXTS_MAX + 1):
        plain.add(b"s3_%d" % number, leaves_state=False)
    assert plain.leaves_state(b"s3_0") is None
    assert plain.leaves_state(b"s3_%d" % TEXTS_MAX) is False
