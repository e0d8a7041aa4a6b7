"""A cluster's control group: made below a delegated one, bounded before anything runs in it, removed at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.clusters.control_group import check_delegated, make_group, remove_group
from catalog.clusters.processes import Account, child_command
from catalog.errors import ClusterUnavailable

GB = 2**30


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Make a folder with the files that the kernel would put there; those of a group come with it."""
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    return tmp_path


def _appears(group: Path) -> None:
    group.mkdir()
    for name in ("memory.max", "memory.swap.max"):
        (group / name).write_text("max\n")
    (group / "cgroup.procs").write_text("")


def test_memory_is_bounded_and_nothing_swapped(parent: Path) -> None:
    _appears(parent / "acme")
    group = make_group(parent, "acme", 2 * GB)
    assert (group / "memory.max").read_text().startswith(str(2 * GB))
    assert (group / "memory.swap.max").read_text().startswith("0")


def test_a_group_that_does_not_bound_is_refused(parent: Path) -> None:
    with pytest.raises(ClusterUnavailable, match="cannot be made"):
        make_group(parent, "acme", GB)
    assert not (parent / "acme" / "memory.max").exists()


def test_a_parent_that_lends_no_memory_is_refused(parent: Path) -> None:
    (parent / "cgroup.subtree_control").write_text("cpu\n")
    with pytest.raises(ClusterUnavailable, match="lends no memory controller"):
        check_delegated(parent)
    with pytest.raises(ClusterUnavailable, match="cannot be used"):
        check_delegated(parent / "nowhere")


def test_a_program_joins_its_group_before_it_runs(parent: Path) -> None:
    group = parent / "acme"
    _appears(group)
    ourselves = Account(uid=os.getuid(), gid=os.getgid(), switch=False)
    program = ["-c", "import os, sys; print(os.getpid(), open(sys.argv[1]).read())", str(group / "cgroup.procs")]
    command = child_command(ourselves, Path(sys.executable), program, death_signal=None, group=group)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == said[1]


def test_a_program_that_cannot_join_does_not_run(parent: Path) -> None:
    ourselves = Account(uid=os.getuid(), gid=os.getgid(), switch=False)
    command = child_command(
        ourselves, Path(sys.executable), ["-c", "print('ran')"], death_signal=None, group=parent / "nowhere"
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "ran" not in done.stdout


def test_an_empty_group_is_removed_and_another_is_left(parent: Path) -> None:
    empty, used = parent / "empty", parent / "used"
    empty.mkdir()
    _appears(used)
    for group in (empty, used, parent / "gone"):
        remove_group(group)
    assert (empty.exists(), used.exists()) == (False, True)
