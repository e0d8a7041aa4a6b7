"""Texts that languages of APIs may take for something of their own, and the predicates that send them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from hypothesis import strategies as st

from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate
from connectors.sdk.table import AccessPath, Grade, Table

FRAGMENTS = (
    *("'", '"', "\\", "`", ";", "--", "/*", "*/", "#", "%", "_", "*", "?", "&", "=", "+", ",", "/", "..", "\x00"),
    *("\n", "\r\n", " OR ", " AND ", "NOT ", " ORDER BY ", "is EMPTY", "currentUser()", "project = X", "\\u0022"),
    *('\\"', "%22", "%2F", "%00", "${x}", "{x}", "{{x}}", "$v", "}", "{", "(", ")", "[", "]", '"}', "query{me}"),
    *("\u2028", "\u202e", "\ufeff", "é", "𝒳", "\uff41", "\u2018", "none", "null", "true", "me", "@me", "is:open"),
    *("repo:acme/api", "author:", "in:title", "\t", " ", "\xa0"),
)
hostile = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=12),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), min_size=1, max_size=5).map("".join),
)
LISTED = (Operator.IN, Operator.NOT_IN, Operator.CONTAINS)
PATTERNS = (Operator.LIKE, Operator.ILIKE)
TEXT_OPERATORS = (Operator.EQ, Operator.NE, *LISTED, *PATTERNS)
TEXTS = ("text", "varchar", "_text")


def sendable(table: Table, path: AccessPath, text: str) -> Iterator[Predicate]:
    """Yield every predicate with a text that a path takes."""
    for column, operators in path.operators.items():
        if table.column(column).type.name not in TEXTS:
            continue
        for operator, pushdown in operators.items():
            if operator not in TEXT_OPERATORS or (pushdown.values is not None and text not in pushdown.values):
                continue
            value = (text, "x1") if operator in LISTED else text
            predicate = Predicate(column=column, operator=operator, value=value)
            if grade_of(path, predicate) is not Grade.NONE:
                yield predicate


def url_of(request: Request) -> str:
    """Write a request's URL as the transport does."""
    return f"https://api.example{request.path}?{urlencode(request.parameters)}"
