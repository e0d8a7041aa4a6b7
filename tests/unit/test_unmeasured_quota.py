"""A cluster that an earlier server left read-only is told as one without room, also before it was measured again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from catalog.connection import OwnConnection
from catalog.errors import ClusterUnavailable
from omnisql_server import disk_quota
from omnisql_server.disk_quota import DiskQuota


async def unreachable() -> OwnConnection:
    raise ClusterUnavailable("the cluster is not running")


def quota_over(directory: Path, allowed_mb: int = 1) -> DiskQuota:
    return DiskQuota(directory, unreachable, lambda: allowed_mb)


def left_closed(directory: Path) -> Path:
    (directory / "postgresql.auto.conf").write_text("default_transaction_read_only = 'on'\n", encoding="utf-8")
    return directory


def test_it_is_told_before_the_first_measure(tmp_path: Path) -> None:
    quota = quota_over(left_closed(tmp_path))
    assert quota.refusal is not None
    assert (quota.refusal.sqlstate, quota.refusal.detail) == ("53100", "It was when it was last measured.")
    assert quota.is_settled


async def test_it_is_told_where_it_cannot_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: Path) -> int:
        raise OSError("input/output error")

    monkeypatch.setattr(disk_quota, "disk_used_bytes", unreadable)
    quota = quota_over(left_closed(tmp_path))
    await quota.watch()
    assert (quota.refusal is not None, quota.is_settled) == (True, True)


async def test_it_stays_where_it_cannot_be_opened(tmp_path: Path) -> None:
    quota = quota_over(left_closed(tmp_path), allowed_mb=0)
    await quota.watch()
    assert quota.refusal is not None


async def test_one_that_was_left_open_is_open_until_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"x" * 3 * 2**20)
    quota = quota_over(tmp_path)
    await quota.watch()
    assert (quota.refusal, quota.is_settled) == (None, False)


@dataclass
class Opened:
    """What is done to a cluster, with whether its sessions are held to be read-only by then."""

    quota: DiskQuota | None = None
    done: list[tuple[str, bool]] = field(default_factory=list)
    fails_at: str = ""

    async def connect(self) -> OwnConnection:
        return cast(OwnConnection, self)

    async def execute(self, sql: str) -> None:
        assert self.quota is not None
        self.done.append((sql, self.quota.is_settled))
        if sql == self.fails_at:
            raise OSError("the connection is gone")

    async def fetch(self, *_: object) -> list[dict[str, int]]:
        return []

    async def close(self) -> None:
        assert self.quota is not None
        self.done.append(("close", self.quota.is_settled))


async def test_no_session_is_taken_for_one_that_left_while_it_is_opened(tmp_path: Path) -> None:
    cluster = Opened()
    quota = cluster.quota = DiskQuota(left_closed(tmp_path), cluster.connect, lambda: 0)
    assert quota.is_settled
    await quota.watch()
    assert cluster.done == [(disk_quota.OPEN, False), (disk_quota.RELOAD, False), ("close", False)]
    assert (quota.refusal, quota.is_settled) == (None, False)


async def test_one_that_could_not_be_opened_and_is_full_again_is_closed_again(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"x" * 3 * 2**20)
    cluster, clock = Opened(fails_at=disk_quota.RELOAD), [0.0]
    allowed = [0]
    quota = cluster.quota = DiskQuota(
        left_closed(tmp_path), cluster.connect, lambda: allowed[0], now_s=lambda: clock[0]
    )
    await quota.watch()
    assert (quota.refusal is not None, quota.is_settled) == (True, False)
    cluster.fails_at, allowed[0], clock[0] = "", 1, 10.0
    await quota.watch()
    assert disk_quota.CLOSE in [sql for sql, _ in cluster.done]
    clock[0] = 20.0
    assert quota.is_settled
