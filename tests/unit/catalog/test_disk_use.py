"""The room of a data directory is that of its files' blocks, whatever goes or grows meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from catalog.clusters import disk_use
from catalog.clusters.disk_use import blocks_bytes, disk_used_bytes

PAGE = 8192


def _write(path: Path, pages: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"x" * PAGE * pages)
        # Some file systems count blocks only once they are written.
        os.fsync(file)


def test_files_below_count_by_their_blocks(tmp_path: Path) -> None:
    _write(tmp_path / "base" / "5" / "1", 10)
    before = blocks_bytes(tmp_path)
    _write(tmp_path / "base" / "pgsql_tmp" / "2", 20)
    with (tmp_path / "base" / "5" / "hole").open("wb") as file:
        file.truncate(PAGE * 10_000)
    (tmp_path / "elsewhere").symlink_to("/")
    assert 20 * PAGE <= blocks_bytes(tmp_path) - before < 40 * PAGE


def test_of_the_log_only_what_postgresql_would_not_keep_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "base" / "1", 10)
    without = disk_used_bytes(tmp_path)
    _write(tmp_path / "pg_wal" / "1", 30)
    assert disk_used_bytes(tmp_path) - without <= 2 * PAGE
    monkeypatch.setattr(disk_use, "WAL_KEPT_BYTES", 10 * PAGE)
    assert disk_used_bytes(tmp_path) - without >= 20 * PAGE


def test_what_is_gone_takes_no_room(tmp_path: Path) -> None:
    assert disk_used_bytes(tmp_path / "gone") == 0
