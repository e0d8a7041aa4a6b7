"""Says whether the volume of a directory is encrypted by Linux (dm-crypt), as far as that can be seen from here.

proc(5) describes `mountinfo`; the UUID of a device-mapper target that encrypts begins with CRYPT- (cryptsetup FAQ 1.2).
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
DEVICES = Path("/sys/dev/block")
LAYERS_MAX = 8
"""Block devices below each other, such as a logical volume on a RAID on partitions."""


def volume_of(directory: Path, *, mounts: Path = MOUNTS, devices: Path = DEVICES) -> str:
    """Say on what volume an absolute path is, and whether it is encrypted, in a clause."""
    mounted = _mounted(directory, mounts)
    if mounted is None:
        return "whether its volume is encrypted cannot be told here"
    place, kind, device = mounted
    on = f"on {place} ({kind})"
    if not (devices / device).exists():
        # What is no disk of its own: a network's, a container's, or several together.
        return f"{on}: whether it is encrypted cannot be told here"
    return f"{on}: {'encrypted by dm-crypt' if _is_encrypted(devices / device, 0) else 'not encrypted by this machine'}"


def _mounted(directory: Path, mounts: Path) -> tuple[str, str, str] | None:
    """Return where the volume is mounted, its kind, and the numbers of its device; None where nobody says."""
    if not mounts.exists():
        return None
    found: tuple[str, str, str] | None = None
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        first, _, last = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), first.split()[4])
        # Of several at one place the last lies above.
        if directory.is_relative_to(place) and (found is None or len(place) >= len(found[0])):
            found = (place, last.split()[0], first.split()[2])
    return found


def _is_encrypted(device: Path, depth: int) -> bool:
    """Say whether a device, or all that it is made of, encrypts."""
    uuid = device / "dm" / "uuid"
    if uuid.exists() and uuid.read_text(encoding="ascii", errors="replace").startswith("CRYPT-"):
        return True
    below = [*(device / "slaves").iterdir()] if (device / "slaves").exists() and depth < LAYERS_MAX else []
    return bool(below) and all(_is_encrypted(each, depth + 1) for each in below)
