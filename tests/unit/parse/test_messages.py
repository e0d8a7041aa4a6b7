"""What is known of PostgreSQL's parse tree by heart is what its description says."""

from __future__ import annotations

from omnisql_server.parse.messages import WITH_KINDS, held, parse_tree


def test_the_messages_with_a_with_clause_are_known() -> None:
    kinds = parse_tree("SELECT 1").DESCRIPTOR.file.message_types_by_name
    found = {name for name, kind in kinds.items() if "with_clause" in kind.fields_by_name}
    # A node may be anything.
    assert found - {"Node"} == WITH_KINDS


def test_what_a_message_holds_is_given_by_field() -> None:
    select = parse_tree("SELECT a, b FROM t WHERE a").stmts[0].stmt.select_stmt
    found = [(name, kind, len(list(children))) for name, kind, children in held(select)]
    assert found == [("target_list", "Node", 2), ("from_clause", "Node", 1), ("where_clause", "Node", 1)]
    assert [(name, kind) for name, kind, _ in held(select.from_clause[0])] == [("range_var", "RangeVar")]
