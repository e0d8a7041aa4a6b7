"""Words the company writes with, among them values chosen to break careless encoders; pure data and pure functions."""

from __future__ import annotations

import hashlib
from random import Random

_FIRST_NAMES = (
    "Ada Bela Chen Dana Emil Farah Goran Hana Ivo Jun Kofi Lena Mila Nils Omar Priya Quinn Rosa Sven Tara "
    "Uma Viktor Wen Xenia Yusuf Zoe Aino Björn Chloé Dmitri"
)
_LAST_NAMES = (
    "Okafor Lindqvist Tanaka Silva Novak Haddad Moreau Petrov Schmidt Rossi Jensen Kaya Dubois Larsen Mendez "
    "Nakamura O'Hara Fischer Müller Sørensen Ivanova Castillo Brandt Yilmaz Kowalski Nguyen Weiss Abara Duarte Łukasz"
)
FIRST_NAMES = tuple(_FIRST_NAMES.split())
LAST_NAMES = tuple(_LAST_NAMES.split())
VERBS = ("fix", "add", "remove", "rework", "document", "speed up", "simplify", "test", "retry", "validate")
SUBJECTS = (
    "login redirect",
    "checkout page",
    "session cache",
    "invoice export",
    "search index",
    "rate limiter",
    "push notification",
    "dark mode",
    "nightly import",
    "audit trail",
    "password reset",
    "feature flag",
    "image upload",
    "webhook delivery",
    "currency rounding",
)
ENDINGS = ("", "", "", " on slow networks", " for guests", " after deploy", " in Safari", " when empty", " under load")
SENTENCES = (
    "It happens on every second attempt.",
    "The log shows nothing unusual.",
    "Seen by two customers so far.",
    "A retry helps, but only for a while.",
    "We should measure before we change anything.",
    "The old behavior was better documented.",
)
NASTY_TITLES = (
    "Quote \"inside\" and 'outside'",
    "Backslash \\ and \\n that is not a newline",
    "Robert'); DROP TABLE issues;--",
    "Naïve café — 日本語の件名 🚀",
    "100% of users_see {braces} and $1",
    "مرحبا بالعالم",
    "e\u0301 is not é for a byte comparison",
    "NULL",
    "=SUM(A1:A2)",
    "trailing space and tab\t",
)
NASTY_BODIES = (
    None,
    "",
    "line one\nline two\r\nline three",
    "He said \"no\", then \\ then 'yes'.",
    "emoji 👩‍👩‍👧 and zero\u200bwidth",
    "```sql\nselect '--' /* x */ from \"t\";\n```",
    "tab\there, comma, semicolon; pipe | end",
)


def seeded(*parts: object) -> Random:
    """Return a generator that depends on the given parts alone."""
    return Random("/".join(str(part) for part in parts))  # noqa: S311 - reproducible data, not a secret


def hex_digest(*parts: object) -> str:
    """Return 40 hexadecimal digits that depend on the given parts alone, shaped like a git object name."""
    text = "/".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def title(random: Random) -> str:
    """Return a title; about one in twenty is hostile to quoting, encoding or formula-reading code."""
    if random.random() < 0.05:
        return random.choice(NASTY_TITLES)
    return f"{random.choice(VERBS)} {random.choice(SUBJECTS)}{random.choice(ENDINGS)}"


def body(random: Random) -> str | None:
    """Return a body text; about one in eight is absent, empty or hostile."""
    if random.random() < 0.125:
        return random.choice(NASTY_BODIES)
    return " ".join(random.sample(SENTENCES, random.randint(1, 4)))


def remark(random: Random) -> str:
    """Return the never absent text of a comment."""
    return body(random) or "+1"
