"""A control group for each cluster, which bounds the memory of all its processes together (Linux, cgroup v2).

The groups are made below one that was delegated to us and holds no process itself (Linux kernel documentation, Control
Group v2, "Delegation" and "No Internal Process Constraint"). Shared buffers and the files' cache count, too; the kernel
takes the latter back before it ends a process.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from catalog.errors import ClusterUnavailable

PROCESSES = "cgroup.procs"
_HINT = (
    "Delegate a control group with the memory controller (systemd: Delegate=memory), or unset clusters.control_group."
)

log = structlog.get_logger(__name__)


def check_delegated(parent: Path) -> None:
    """Make sure that groups below `parent` can bound memory.

    Raises: ClusterUnavailable (57P03) when it is no control group of version 2 or lends no memory controller.
    """
    try:
        lent = (parent / "cgroup.subtree_control").read_text(encoding="ascii").split()
    except OSError as error:
        raise ClusterUnavailable(
            "the control group cannot be used", detail=f"{parent}: {error.strerror}", hint=_HINT
        ) from error
    if "memory" not in lent:
        raise ClusterUnavailable(
            "the control group lends no memory controller", detail=f"{parent}: cgroup.subtree_control", hint=_HINT
        )


def make_group(parent: Path, name: str, memory_bytes_max: int) -> Path:
    """Make the group of a cluster, or take the one an earlier run left, and bound its memory; nothing is swapped.

    Raises: ClusterUnavailable (57P03) when it cannot be made.
    """
    check_delegated(parent)
    group = parent / name
    try:
        group.mkdir(exist_ok=True)
        _write(group / "memory.max", str(memory_bytes_max))
        swap = group / "memory.swap.max"
        if swap.exists():
            _write(swap, "0")
    except OSError as error:
        raise ClusterUnavailable(
            "the control group of the cluster cannot be made", detail=f"{group}: {error.strerror}", hint=_HINT
        ) from error
    return group


def remove_group(group: Path) -> None:
    """Remove a group whose processes are gone; one that has some stays for the next start, and the log says so."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("control_group_left", group=str(group), reason=error.strerror)


def _write(path: Path, text: str) -> None:
    # The kernel takes a value in one write; the file is never made here.
    with path.open("r+", encoding="ascii") as file:
        file.write(text)
