"""GraphQL selections are read, put together and written again; what is none is refused."""

from __future__ import annotations

import pytest
from graphql import parse, print_ast
from hypothesis import given
from hypothesis import strategies as st

from connectors.declarative.selections import Selected, read_selection, written
from connectors.sdk.errors import ManifestInvalid


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("id", "id"),
        ("state{id} title state { name }", "state{id name} title"),
        ("a{b{c}} a{b{d} e}", "a{b{c d} e}"),
        ("labels(first: 50, after: $x){nodes{name}}", "labels(first:50 after:$x){nodes{name}}"),
        ("labels(first:5){id} labels(first:6){id}", "labels(first:5){id} labels(first:6){id}"),
        ('mine: issues(filter: {title: {eq: "a } ( \\" b"}, in: [1, 2]}){id}',
         'mine:issues(filter:{title:{eq:"a } ( \\" b"} in:[1 2]}){id}'),
        ("... on Issue { id } ...on Issue{title}", "... on Issue{id title}"),
        ("id @include(if: $all) name", "id@include(if:$all) name"),
    ],
)  # fmt: skip
def test_what_is_selected_twice_is_written_once(text: str, again: str) -> None:
    assert written(read_selection(text)) == again
    parse(f"query{{{again}}}")


@pytest.mark.parametrize("text", ["state{id", "state}", "state{}", "{id}", "a(b:1", "a(b:1]", ":a", "a{b}}", 'a(b:"x)'])
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid, match="is no selection of GraphQL"):
        read_selection(text)


NAMES = st.sampled_from(["id", "name", "state", "nodes"])
FIELDS = st.recursive(
    st.builds(Selected, head=NAMES),
    lambda inner: st.builds(Selected, head=NAMES, fields=st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)


@given(st.lists(FIELDS, min_size=1, max_size=5))
def test_what_was_written_reads_as_it_was(fields: list[Selected]) -> None:
    text = written(fields)
    once = read_selection(text)
    assert read_selection(written(once)) == once
    # A parser of others reads as many fields.
    assert print_ast(parse(f"{{{written(once)}}}")).split() == print_ast(parse(f"query{{{written(once)}}}")).split()


@given(st.text(alphabet='ab{}()[]:@."\\ ,$1', max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_selection(text)
    except ManifestInvalid:
        return
