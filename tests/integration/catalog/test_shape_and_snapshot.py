"""Foreign objects are installed with the least change; the snapshot finds what reaches API tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from catalog.clusters import EmbeddedCluster
from catalog.connection import OwnConnection
from catalog.errors import InvalidName, ShapeInUse, ShapeInvalid
from catalog.shape import ForeignColumn, ForeignServer, ForeignTable, WrapperShape, install
from catalog.snapshot import load_snapshot, read_sequence

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRAPPER = WrapperShape(
    name="github", server_options=("base_url",), mapping_options=("user", "token"), secret_options=("token",)
)
SERVER = ForeignServer(name="hub", wrapper="github", options={"base_url": "https://api.test"}, comment="it's the hub")


async def _install(connection: OwnConnection, table: ForeignTable) -> tuple[str, ...]:
    return await install(
        connection, wrappers=[WRAPPER], servers=[SERVER], tables=[table], grants=["ana"], owner="admin"
    )


async def test_an_unchanged_shape_causes_no_ddl(superuser: OwnConnection, table: Callable[..., ForeignTable]) -> None:
    earlier = await read_sequence(superuser)
    assert await _install(superuser, table()) == ()
    assert await read_sequence(superuser) == earlier


async def test_options_comments_and_new_columns_are_altered_below_a_view(
    superuser: OwnConnection, table: Callable[..., ForeignTable]
) -> None:
    await _install(superuser, table(name="altered"))
    await superuser.execute("CREATE VIEW public.above AS SELECT number FROM github.altered")
    title = ForeignColumn(name='ti"tle', type_name="varchar(9)", comment="it's", options={"column": "a'b\\c"})
    wanted = replace(table(title, name="altered"), comment="all of them", options={"table": "other"})
    statements = await _install(superuser, wanted)
    assert statements == (
        'ALTER FOREIGN TABLE "github"."altered" OPTIONS (SET "table" \'other\')',
        'ALTER FOREIGN TABLE "github"."altered" ADD COLUMN "ti""tle" character varying(9)'
        " OPTIONS (\"column\" E'a''b\\\\c')",
        'COMMENT ON FOREIGN TABLE "github"."altered" IS \'all of them\'',
        'COMMENT ON COLUMN "github"."altered"."ti""tle" IS \'it\'\'s\'',
    )
    assert await _install(superuser, wanted) == ()
    found = [t for t in (await load_snapshot(superuser)).tables.values() if t.name == "altered"]
    assert found[0].options == {"table": "other"}
    assert (found[0].columns[3].name, found[0].columns[3].options) == ('ti"tle', {"column": "a'b\\c"})
    with pytest.raises(ShapeInUse) as caught:
        await _install(superuser, replace(wanted, columns=wanted.columns[1:]))
    assert caught.value.sqlstate == "2BP01"
    await superuser.execute("DROP VIEW public.above")
    statements = await _install(superuser, replace(wanted, columns=wanted.columns[1:]))
    assert statements[0] == 'DROP FOREIGN TABLE "github"."altered"'
    assert statements[-1] == 'GRANT SELECT ON "github"."altered" TO "ana"'
    await superuser.execute("DROP FOREIGN TABLE github.altered")


@pytest.mark.parametrize("type_name", ["nonsense", "int); DROP TABLE x; --", "int4 OPTIONS (a 'b')", ""])
async def test_a_type_that_is_none_is_refused(
    superuser: OwnConnection, table: Callable[..., ForeignTable], type_name: str
) -> None:
    with pytest.raises(ShapeInvalid):
        await _install(superuser, table(ForeignColumn(name="x", type_name=type_name), name="refused"))
    assert await superuser.fetchval("SELECT to_regclass('github.refused')") is None


async def test_a_name_that_would_be_cut_is_refused(
    superuser: OwnConnection, table: Callable[..., ForeignTable]
) -> None:
    with pytest.raises(InvalidName):
        await _install(superuser, table(name="x" * 64))


@pytest.mark.parametrize(
    ("statement", "undo"),
    [
        ("CREATE VIEW public.seq_view AS SELECT 1 AS x", "DROP VIEW public.seq_view"),
        (
            "ALTER FOREIGN TABLE github.issues RENAME COLUMN number TO n",
            "ALTER FOREIGN TABLE github.issues RENAME n TO number",
        ),
        ("CREATE TABLE public.seq_table (x int)", "DROP TABLE public.seq_table"),
    ],
)
async def test_the_sequence_moves_with_ddl(admin: OwnConnection, statement: str, undo: str) -> None:
    positions = [await read_sequence(admin)]
    for change in (statement, undo):
        await admin.execute(change)
        positions.append(await read_sequence(admin))
    assert positions == sorted(set(positions))


async def test_the_sequence_stays_for_temporary_objects_and_for_data(acme: EmbeddedCluster) -> None:
    ana = await acme.connect("ana", "acme")
    earlier = await read_sequence(ana)
    await ana.execute("CREATE TEMP TABLE t (x serial PRIMARY KEY, y text); CREATE TEMP VIEW v AS SELECT * FROM t")
    await ana.execute(
        "CREATE TEMP TABLE copied AS SELECT 1 AS x; INSERT INTO t (y) VALUES ('a'); ALTER TABLE t ADD z int"
    )
    await ana.execute("DROP VIEW v; DROP TABLE t, copied; CREATE TEMP TABLE t (x int) ON COMMIT DROP; DISCARD TEMP")
    assert await read_sequence(ana) == earlier
    await ana.close()


async def test_a_snapshot_beside_open_ddl_is_not_settled(superuser: OwnConnection, admin: OwnConnection) -> None:
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("CREATE VIEW public.pending AS SELECT number FROM github.issues")
    beside = await load_snapshot(superuser)
    await transaction.commit()
    after = await load_snapshot(superuser)
    assert (beside.settled, beside.relations_named("pending")) == (False, ())
    assert after.settled
    assert after.sequence == beside.sequence
    assert [relation.kind for relation in after.relations_named("pending")] == ["v"]
    await admin.execute("DROP VIEW public.pending")


async def test_a_snapshot_finds_views_over_views_and_quoted_names(
    superuser: OwnConnection, admin: OwnConnection
) -> None:
    await admin.execute('''
        CREATE SCHEMA marts;
        CREATE VIEW marts.one AS SELECT number FROM github.issues;
        CREATE VIEW marts."Two ""quoted""" AS SELECT * FROM marts.one;
        CREATE MATERIALIZED VIEW marts.stored AS SELECT * FROM marts."Two ""quoted""" WITH NO DATA;
        CREATE VIEW marts.over_stored AS SELECT * FROM marts.stored;
        CREATE TABLE marts.plain (x int8);
        CREATE TEMP VIEW passing AS SELECT number FROM github.issues;
    ''')
    snapshot = await load_snapshot(superuser)
    found = {relation.name: relation.kind for relation in snapshot.reaching.values()}
    expected = {"issues": "f", "one": "v", 'Two "quoted"': "v", "stored": "m"}
    assert found == expected
    assert snapshot.may_reach(b'select * from MARTS."two ""QUOTED"""')
    assert not snapshot.may_reach(b"select * from marts.over_stored, marts.plainer")
    assert snapshot.relations_named('Two "quoted"')[0].schema == "marts"
    await admin.execute("DROP SCHEMA marts CASCADE")


async def test_a_snapshot_holds_the_tables_with_their_columns_and_servers(
    superuser: OwnConnection, table: Callable[..., ForeignTable]
) -> None:
    snapshot = await load_snapshot(superuser)
    assert snapshot.sequence == await read_sequence(superuser)
    assert snapshot.servers["hub"].options == {"base_url": "https://api.test"}
    issues = next(item for item in snapshot.tables.values() if (item.schema, item.name) == ("github", "issues"))
    assert (issues.server, issues.wrapper, issues.options) == ("hub", "github", {"table": "issues"})
    assert [(c.attnum, c.name, c.type_oid, c.typmod, c.not_null, c.options) for c in issues.columns] == [
        (1, "number", 20, -1, False, {"column": "id"}),
        (2, "Labels", 1009, -1, False, {}),
        (3, "created_at", 1184, -1, False, {}),
    ]
