"""`omnisql tenant` works with and without a running server, and tells what went wrong in the words of every error."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from served import PASSWORD, PROGRAM, Served, environment, served_directory, start_served

from catalog.clusters import EmbeddedCluster, EmbeddedSettings


@pytest.fixture
def directory() -> Iterator[Path]:
    with served_directory() as made:
        (made / "omnisql.yaml").write_text(f"data: {{directory: {made / 'data'}}}\n", encoding="utf-8")
        yield made


def _run(directory: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    configured = () if "dba-script" in arguments else ("--config", str(directory / "omnisql.yaml"))
    done = subprocess.run(
        [PROGRAM, "tenant", *arguments, *configured],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**environment(directory), "COLUMNS": "200"},
    )
    return done.returncode, done.stdout, done.stderr


def test_a_tenant_made_before_the_first_start_is_served(directory: Path) -> None:
    code, out, err = _run(directory, "create", "acme", "--owner", "olga", typed=f"{PASSWORD}\n")
    assert (code, err) == (0, "")
    assert PASSWORD not in out
    assert _run(directory, "create", "acme", typed="x\n")[0::2] == (
        1,
        "ERROR:  42P04: the tenant exists already\nDETAIL:  acme\n",
    )
    server = start_served(directory)
    try:
        with server.connect("acme", "olga") as session:
            assert session.execute("SELECT current_database()::text, current_user::text").fetchone() == ("acme", "olga")
        _try_commands(directory, server)
    finally:
        assert server.stop() == 0
    assert not (directory / "data" / "admin-socket").exists()


def _try_commands(directory: Path, server: Served) -> None:
    code, out, _ = _run(directory, "user", "add", "acme", "ana", "--attribute", "teams=web", typed="\n")
    assert code == 0
    made_up = next(line.rpartition(": ")[2] for line in out.splitlines() if line.startswith("Password for ana: "))
    assert "teams=web" in out
    with server.connect("acme", "ana", made_up) as ana:
        code, out, _ = _run(directory, "rename", "acme", "zeta")
        assert (code, "zeta" in out) == (0, True)
        assert ana.closed or _is_over(ana)
    with server.connect("zeta", "ana", made_up) as session:
        assert session.execute("SELECT current_database()::text").fetchone() == ("zeta",)
    assert "password authentication failed" in str(server.refusal("acme", "ana", made_up))
    assert _run(directory, "user", "password", "zeta", "ana", typed="another\n")[0] == 0
    with server.connect("zeta", "ana", "another"):
        code, out, _ = _run(directory, "list")
        assert [word for word in ("zeta", "olga", "running") if word not in out] == []
        _try_limits(directory)
    code, out, _ = _run(directory, "stop", "zeta")
    assert (code, "stopped" in out) == (0, True)
    code, out, _ = _run(directory, "show", "zeta")
    assert (code, out.count("by password")) == (0, 2)
    for arguments, sqlstate in (
        (("show", "nowhere"), "3D000"),
        (("stop", "nowhere"), "3D000"),
        (("rename", "nowhere", "x"), "3D000"),
        (("rename", "zeta", "Not A Name"), "42602"),
        (("user", "password", "zeta", "nobody"), "42704"),
        (("user", "add", "zeta", "omnisql_x"), "42939"),
        (("create", "9lives"), "42602"),
        (("alter", "nowhere", "--limit", "clusters.sessions_max=5"), "3D000"),
    ):
        code, _, err = _run(directory, *arguments, typed="x\n")
        assert (code, err.startswith(f"ERROR:  {sqlstate}: ")) == (1, True), (arguments, err, server.events()[-3:])


def _try_limits(directory: Path) -> None:
    code, out, err = _run(
        directory, "alter", "zeta", "--limit", "clusters.sessions_max=5", "--limit", "clusters.memory_mb=512"
    )
    assert (code, err) == (0, "")
    assert _line(out, "clusters.sessions_max") == ["clusters.sessions_max", "5", "the tenant"]
    assert "clusters.memory_mb: from the next start of the cluster (omnisql tenant stop zeta)" in out
    code, out, _ = _run(directory, "list")
    assert (code, "clusters.sessions_max=5" in out) == (0, True)
    assert _run(directory, "alter", "zeta", "--limit", "clusters.sessions_max=")[0] == 0
    code, out, _ = _run(directory, "show", "zeta")
    assert _line(out, "clusters.sessions_max") == ["clusters.sessions_max", "200", "the server"]
    assert _line(out, "clusters.memory_mb") == ["clusters.memory_mb", "512", "the tenant"]
    for words, message in (
        ("clusters.sessions_max", "a limit is written setting=value"),
        ("clusters.sessions_max=0", "setting clusters.sessions_max is not valid"),
        ("clusters.sessions_max=many", "setting clusters.sessions_max is not valid"),
        ("sessions_max=5", "a tenant has no limit sessions_max"),
    ):
        code, _, err = _run(directory, "alter", "zeta", "--limit", words)
        assert (code, err.splitlines()[0]) == (2, f"ERROR:  F0000: {message}")


def _line(out: str, name: str) -> list[str]:
    (line,) = (each for each in out.splitlines() if name in each and "the " in each)
    return [cell.strip() for cell in line.strip("│┃| ").replace("┃", "│").split("│")]


def _is_over(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.errors.AdminShutdown:
        return True
    return False


def test_a_wrong_attribute_is_a_usage_error(directory: Path) -> None:
    code, _, err = _run(directory, "user", "add", "acme", "ana", "--attribute", "teams", typed="x\n")
    assert (code, err.splitlines()[0]) == (2, "ERROR:  F0000: an attribute is written name=value")


def test_a_tenant_on_an_external_cluster_is_served_like_any_other(directory: Path) -> None:
    async def main() -> None:
        external = EmbeddedCluster("elsewhere", EmbeddedSettings(data_root=directory / "elsewhere"))
        await external.start()
        try:
            dsn = f"postgresql://{external.superuser}@/postgres?host={external.socket_directory}&port={external.port}"
            await asyncio.to_thread(_serve_external, directory, dsn)
        finally:
            await external.stop()

    asyncio.run(main())


def _serve_external(directory: Path, dsn: str) -> None:
    code, out, _ = _run(directory, "dba-script", dsn)
    assert (code, f'CREATE ROLE "{dsn.partition("//")[2].partition("@")[0]}" LOGIN SUPERUSER' in out) == (0, True)
    assert f"omnisql  {pwd.getpwuid(os.geteuid()).pw_name}  all" in out
    assert _run(directory, "create", "far", "--dsn", dsn, typed=f"{PASSWORD}\n")[0] == 0
    code, out, err = _run(directory, "create", "lost", "--dsn", "postgresql://u@/d?host=/nonexistent", typed="x\n")
    assert (code, err.startswith("ERROR:  57P03: ")) == (1, True)
    assert 'CREATE ROLE "u" LOGIN SUPERUSER' in out
    server = start_served(directory)
    try:
        with server.connect("far") as session:
            session.execute("CREATE ROLE bob LOGIN PASSWORD 'bob'")
            assert session.execute("SELECT count(*) FROM omnisql.sources").fetchone() == (0,)
        with server.connect("far", "bob", "bob") as session:
            assert session.execute("SELECT current_user::text").fetchone() == ("bob",)
        assert server.administer("show", name="far")[0].external
    finally:
        assert server.stop() == 0
