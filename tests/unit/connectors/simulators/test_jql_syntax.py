"""JQL's grammar: trees, error messages with positions, and that no input makes it crash."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.simulators.company import Company
from connectors.simulators.jira.jql import Context, JqlError, compile_query, parse
from connectors.simulators.jira.jql.syntax import And, Call, Clause, Not, Or, SortKey, Value

_PIECES = r"""
project status assignee created summary cf[10016] cf [ ] key due sprint text labels nofield
= != < <= > >= ~ !~ in not is empty null and or ! && || ( ) , order by asc desc was limit
"Done" "a\"b" "\u0041" 'x' "open WEB WEB-1 DATA-2 5 -1d 1740000000000 2025-01-01 "2025-01-01" now() \n
currentUser() openSprints() EMPTY Unresolved x* *x é 99999999999999999999999 0.5 nan #
"""
PIECES = tuple(_PIECES.split())


def test_a_query_becomes_a_tree() -> None:
    query = parse('a = 1 AND NOT (b in ("x y", f("z")) OR c is not empty) ORDER BY d DESC, cf[7]')
    assert query.where == And(
        children=(
            Clause(field="a", operator="=", operands=(Value(text="1"),)),
            Not(
                child=Or(
                    children=(
                        Clause(
                            field="b",
                            operator="in",
                            operands=(Value(text="x y"), Call(name="f", arguments=("z",))),
                        ),
                        Clause(field="c", operator="is not", operands=(Value(text=None),)),
                    )
                )
            ),
        )
    )
    assert query.order == (SortKey(field="d", is_descending=True), SortKey(field="cf[7]", is_descending=None))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"say \"hi\""', 'say "hi"'),
        (r'"back\\slash"', "back\\slash"),
        (r"'it\'s'", "it's"),
        (r'"tab\tline\n"', "tab\tline\n"),
        (r'"\u00e9"', "é"),
        (r"two\ words", "two words"),
        ("日本語-1", "日本語-1"),
    ],
)
def test_escapes(written: str, meant: str) -> None:
    assert parse(f"a = {written}").where == Clause(field="a", operator="=", operands=(Value(text=meant),))


@pytest.mark.parametrize(
    ("jql", "message"),
    [
        ("status = In Progress", "reserved|Expecting either a value, list or function but got 'In'"),
        ("status = To Do", "Expecting either a value, list or function but got 'To'"),
        ("a = b c", r"Expecting either 'OR' or 'AND' but got 'c'. \(line 1, character 7\)"),
        ("a b", r"Expecting operator but got 'b'. The valid operators are .* \(line 1, character 3\)"),
        ("a =\n", "before the end of the query"),
        ("a = 1\nAND b = #", r"The character '#' is a reserved JQL character.* \(line 2, character 9\)"),
        ("select = 1", r"'select' is a reserved JQL word.* \(line 1, character 1\)"),
        ("a = 1 LIMIT 5", "'LIMIT' is a reserved JQL word"),
        ("a BETWEEN 1 AND 2", "'BETWEEN' is a reserved JQL word"),
        ("a LIKE 'x'", "'LIKE' is a reserved JQL word"),
        ("a = 'open", "The quoted string 'open' has not been completed"),
        (r'a = "\x"', "is an illegal JQL escape sequence"),
        (r'a = "\ud800"', "is an illegal JQL escape sequence"),
        ("a in 1", "Expecting a list or function but got '1'"),
        ("a in ()", "Expecting either a value, list or function but got"),
        ("a is 5", "Expecting 'EMPTY' or 'NULL' but got '5'"),
        ("(a = 1", "before the end of the query"),
        ("a = 1 ORDER key", "Expecting 'BY' but got 'key'"),
        ("cf[x] = 1", "Expecting a custom field id but got 'x'"),
        ("(" * 100 + "a = 1" + ")" * 100, "nested too deeply"),
        ("not " * 100 + "a = 1", "nested too deeply"),
    ],
)
def test_errors_name_what_is_wrong_and_where(jql: str, message: str) -> None:
    with pytest.raises(JqlError, match=message):
        parse(jql)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_crashes(company: Company, text: str) -> None:
    context = Context(company=company, user=company.people[0], zone=timezone(timedelta(hours=-7)))
    messages: tuple[str, ...] = ()
    found = None
    try:
        found = compile_query(parse(text), context).run(company.tracker.project_issues("DATA"))
    except JqlError as error:
        messages = error.messages
    assert (found is None) == bool(messages)
    assert all(messages)
