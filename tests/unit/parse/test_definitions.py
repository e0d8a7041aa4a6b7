"""Statements about servers, user mappings and foreign tables, read from PostgreSQL's parse tree."""

from __future__ import annotations

import pytest

from omnisql_server.model.definition import (
    CallDefinition,
    ForeignTableDefinition,
    ImportDefinition,
    ImportRule,
    MappingDefinition,
    OptionAction,
    OptionChange,
    RoleKind,
    ServerDefinition,
)
from omnisql_server.model.statement import StatementKind
from omnisql_server.parse.grammar import parse_statements

ADD, SET, DROP = OptionAction.ADD, OptionAction.SET, OptionAction.DROP


def option(name: str, value: str | None, action: OptionAction = ADD) -> OptionChange:
    return OptionChange(name=name, value=value, action=action)


@pytest.mark.parametrize(
    ("role", "kind", "name"),
    [
        ("ana", RoleKind.NAME, "ana"),
        ('"A b"', RoleKind.NAME, "A b"),
        ("PUBLIC", RoleKind.PUBLIC, ""),
        ("USER", RoleKind.CURRENT_USER, ""),
        ("CURRENT_USER", RoleKind.CURRENT_USER, ""),
        ("CURRENT_ROLE", RoleKind.CURRENT_ROLE, ""),
        ("SESSION_USER", RoleKind.SESSION_USER, ""),
    ],
)
def test_a_new_user_mapping(role: str, kind: RoleKind, name: str) -> None:
    sql = f"CREATE USER MAPPING IF NOT EXISTS FOR {role} SERVER gh OPTIONS (token 'it''s', \"Up\" E'\\x41')"
    (statement,) = parse_statements(sql)
    assert statement.kind is StatementKind.CREDENTIAL
    assert statement.definition == MappingDefinition(
        creates=True,
        role_kind=kind,
        role=name,
        server="gh",
        options=(option("token", "it's"), option("Up", "A")),
        if_not_exists=True,
    )


def test_a_changed_user_mapping() -> None:
    (statement,) = parse_statements(
        "ALTER USER MAPPING FOR a SERVER gh OPTIONS (SET token 'x', DROP b, ADD c 'y', d 'z')"
    )
    assert statement.definition == MappingDefinition(
        creates=False,
        role_kind=RoleKind.NAME,
        role="a",
        server="gh",
        options=(option("token", "x", SET), option("b", None, DROP), option("c", "y"), option("d", "z")),
    )


def test_secrets_are_in_no_representation() -> None:
    (statement,) = parse_statements("CREATE USER MAPPING FOR a SERVER gh OPTIONS (token 'ghp_hidden')")
    assert "ghp_hidden" not in repr(statement.definition)


@pytest.mark.parametrize(
    ("sql", "definition"),
    [
        (
            "CREATE SERVER IF NOT EXISTS gh TYPE 't' VERSION '1' FOREIGN DATA WRAPPER github OPTIONS (base_url 'x')",
            ServerDefinition(server="gh", wrapper="github", options=(option("base_url", "x"),), version="1"),
        ),
        (
            "ALTER SERVER gh VERSION '2' OPTIONS (SET base_url 'x')",
            ServerDefinition(server="gh", wrapper=None, options=(option("base_url", "x", SET),), version="2"),
        ),
    ],
)
def test_servers(sql: str, definition: ServerDefinition) -> None:
    (statement,) = parse_statements(sql)
    assert (statement.kind, statement.definition) == (StatementKind.SERVER, definition)


@pytest.mark.parametrize(
    ("clause", "rule", "tables"),
    [
        ("", ImportRule.ALL, ()),
        ('LIMIT TO (a, "B")', ImportRule.LIMIT_TO, ("a", "B")),
        ("EXCEPT (a)", ImportRule.EXCEPT, ("a",)),
    ],
)
def test_imports(clause: str, rule: ImportRule, tables: tuple[str, ...]) -> None:
    (statement,) = parse_statements(f"IMPORT FOREIGN SCHEMA github {clause} FROM SERVER gh INTO s OPTIONS (a 'b')")
    assert statement.kind is StatementKind.IMPORT
    assert statement.definition == ImportDefinition(
        remote_schema="github", server="gh", local_schema="s", rule=rule, tables=tables, options=(option("a", "b"),)
    )


@pytest.mark.parametrize(
    ("sql", "reshapes", "inherits", "options", "column_options"),
    [
        (
            "CREATE FOREIGN TABLE s.t (a int OPTIONS (c 'x'), CHECK (a > 0)) SERVER gh OPTIONS (d 'y')",
            *(True, False, (option("d", "y"),), (option("c", "x"),)),
        ),
        ("CREATE FOREIGN TABLE s.t () INHERITS (p) SERVER gh", True, True, (), ()),
        ("CREATE FOREIGN TABLE s.t PARTITION OF p FOR VALUES IN (1) SERVER gh", True, True, (), ()),
        ("ALTER FOREIGN TABLE s.t OPTIONS (SET d 'y')", True, False, (option("d", "y", SET),), ()),
        ("ALTER FOREIGN TABLE s.t ALTER a OPTIONS (DROP c)", True, False, (), (option("c", None, DROP),)),
        ("ALTER FOREIGN TABLE s.t ADD b int OPTIONS (c 'x')", True, False, (), (option("c", "x"),)),
        ("ALTER FOREIGN TABLE s.t ALTER a TYPE text", True, False, (), ()),
        ("ALTER FOREIGN TABLE s.t DROP COLUMN a", False, False, (), ()),
        ("ALTER FOREIGN TABLE s.t OWNER TO x", False, False, (), ()),
        ("ALTER FOREIGN TABLE s.t INHERIT p", False, True, (), ()),
    ],
)
def test_foreign_tables(
    sql: str,
    reshapes: bool,
    inherits: bool,
    options: tuple[OptionChange, ...],
    column_options: tuple[OptionChange, ...],
) -> None:
    (statement,) = parse_statements(sql)
    assert statement.kind is StatementKind.FOREIGN_TABLE
    assert statement.definition == ForeignTableDefinition(
        schema="s",
        name="t",
        server="gh" if sql.startswith("CREATE") else None,
        options=options,
        column_options=column_options,
        reshapes=reshapes,
        inherits=inherits,
    )
    assert statement.creates == (frozenset({"t"}) if sql.startswith("CREATE") else frozenset())


@pytest.mark.parametrize(
    ("sql", "definition"),
    [
        ("CALL omnisql.check_source('gh')", CallDefinition(schema="omnisql", name="check_source", arguments=("gh",))),
        ("CALL p('gh'::text, 1, $1)", CallDefinition(schema=None, name="p", arguments=("gh", None, None))),
        ("CALL a.b.c()", CallDefinition(schema=None, name="", arguments=())),
    ],
)
def test_calls(sql: str, definition: CallDefinition) -> None:
    (statement,) = parse_statements(sql)
    assert (statement.kind, statement.definition) == (StatementKind.CALL, definition)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("DROP USER MAPPING FOR a SERVER gh", StatementKind.CREDENTIAL_DROP),
        ("DROP SERVER a, b CASCADE", StatementKind.CREDENTIAL_DROP),
        ("DROP TABLE t", StatementKind.OTHER),
        ("ALTER TABLE t ADD a int", StatementKind.OTHER),
        ("ALTER SERVER gh RENAME TO hub", StatementKind.DEFINITION),
    ],
)
def test_what_has_no_definition(sql: str, kind: StatementKind) -> None:
    (statement,) = parse_statements(sql)
    assert (statement.kind, statement.definition) == (kind, None)
