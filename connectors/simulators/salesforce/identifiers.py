"""Identifiers of records: 15 characters whose case counts, and 18 that can do without it. Pure.

After "What Are the Differences Between 15-Character and 18-Character Record IDs?" of Salesforce's help: three more
characters say which of the 15 are capitals, five at a time, the first of them in the lowest bit.
"""

from __future__ import annotations

import re

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(prefix: str, number: int) -> str:
    """Return the identifier of an object's record number, in 18 characters."""
    digits = ""
    # Steps that are no divisor of the number of digits give identifiers that differ in case alone.
    rest = number * 1_299_709 + 916_132_832
    while rest:
        rest, digit = divmod(rest, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    short = f"{prefix}{digits.rjust(12, '0')}"
    return short + _checked(short)


def full_id(text: str) -> str | None:
    """Return an identifier of 15 or 18 characters in the longer form, None for anything else."""
    if re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?", text, re.ASCII) is None:
        return None
    if len(text) == 15:
        return text + _checked(text)
    bits = "".join(
        f"{_CHECK.find(letter.upper()):05b}"[::-1] if letter.upper() in _CHECK else "" for letter in text[15:]
    )
    if len(bits) != 15:
        return None
    cased = "".join(
        letter.upper() if bit == "1" else letter.lower() for letter, bit in zip(text[:15], bits, strict=True)
    )
    return cased + text[15:].upper()


def _checked(short: str) -> str:
    groups = (short[start : start + 5] for start in (0, 5, 10))
    return "".join(_CHECK[sum(letter.isupper() << at for at, letter in enumerate(group))] for group in groups)
