"""Texts that were found plain are known again by their shape, but never where another digit makes a difference."""

from __future__ import annotations

import pytest

from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.remembered import TEXT_BYTES_MAX, TEXTS_MAX
from wire.frontend import Parse, Query


def names_s3(text: bytes) -> bool:
    return b"s0_" in text or b"s3_" in text


def add(plain: PlainTexts, text: bytes, *, leaves_state: bool = False) -> None:
    plain.add(Query(text=text).encode(), text, leaves_state=leaves_state)


def found(plain: PlainTexts, text: bytes) -> bool | None:
    return plain.leaves_state(Query(text=text).encode())


@pytest.fixture
def plain() -> PlainTexts:
    return PlainTexts(names_s3)


@pytest.mark.parametrize("leaves_state", [False, True])
def test_texts_that_differ_in_numbers_are_the_same(plain: PlainTexts, leaves_state: bool) -> None:
    add(plain, b"SELECT a FROM b WHERE c IN (17, 4)", leaves_state=leaves_state)
    assert found(plain, b"SELECT a FROM b WHERE c IN (20, 5)") is leaves_state
    assert found(plain, b"SELECT a FROM b WHERE c IN (20, 50)") is None


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
    add(plain, known)
    assert found(plain, known) is False
    assert found(plain, other) is None


def test_a_long_text_is_not_kept(plain: PlainTexts) -> None:
    long = b"x" * (TEXT_BYTES_MAX + 1)
    add(plain, long)
    assert found(plain, long) is None


def test_they_begin_anew_when_there_are_too_many(plain: PlainTexts) -> None:
    for number in range(TEXTS_MAX + 1):
        add(plain, b"s3_%d" % number)
    assert found(plain, b"s3_0") is None
    assert found(plain, b"s3_%d" % TEXTS_MAX) is False


def test_a_digit_in_a_length_is_none(plain: PlainTexts) -> None:
    # The length is 53 then, a digit's code.
    text = b"SELECT " + b"x" * 41
    message = Query(text=text).encode()
    assert message[4:5] == b"5"
    add(plain, text)
    assert found(plain, text) is False
    assert plain.leaves_state(b"Q\0\0\x004" + message[5:]) is None


def test_another_kind_of_message_is_another(plain: PlainTexts) -> None:
    add(plain, b"SELECT 1")
    assert plain.leaves_state(Parse(statement=b"", text=b"SELECT 1").encode()) is None
