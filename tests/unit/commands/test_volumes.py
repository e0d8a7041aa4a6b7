"""Whether a volume is encrypted, told from what Linux says of mounts and block devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnisql_server.commands.volumes import volume_of

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 27 253:2 / /srv/omni\040sql rw - xfs /dev/mapper/data rw
41 27 253:3 / /srv/half rw - xfs /dev/mapper/half rw
42 27 0:50 / /net rw - nfs4 there:/ rw
43 27 8:1 / /twice rw - ext4 /dev/sda1 rw
44 27 253:1 / /twice rw - ext4 /dev/mapper/crypt rw
"""


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, Path]:
    """Describe a plain disk, an encrypted one, and logical volumes: one on the latter, one on both."""
    devices = tmp_path / "block"
    layers: dict[str, list[str]] = {"8:1": [], "253:1": ["8:1"], "253:2": ["253:1"], "253:3": ["253:1", "8:1"]}
    for device, below in layers.items():
        (devices / device / "slaves").mkdir(parents=True)
        for place, each in enumerate(below):
            (devices / device / "slaves" / f"dm-{place}").symlink_to(devices / each)
    for device, uuid in (("253:1", "CRYPT-LUKS2-0f-data\n"), ("253:2", "LVM-x\n"), ("253:3", "LVM-y\n")):
        (devices / device / "dm").mkdir()
        (devices / device / "dm" / "uuid").write_text(uuid)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    return mounts, devices


@pytest.mark.parametrize(
    ("directory", "words"),
    [
        ("/var/lib/omnisql", "on / (ext4): not encrypted by this machine"),
        ("/srv/omni sql/data", "on /srv/omni sql (xfs): encrypted by dm-crypt"),
        ("/srv/half", "on /srv/half (xfs): not encrypted by this machine"),
        ("/srv/halfway", "on / (ext4): not encrypted by this machine"),
        ("/net/data", "on /net (nfs4): whether it is encrypted cannot be told here"),
        ("/twice", "on /twice (ext4): encrypted by dm-crypt"),
    ],
)
def test_a_volume_is_encrypted_if_all_below_it_is(told: tuple[Path, Path], directory: str, words: str) -> None:
    mounts, devices = told
    assert volume_of(Path(directory), mounts=mounts, devices=devices) == words


def test_where_nothing_is_said_of_mounts_nothing_is_told(tmp_path: Path) -> None:
    words = volume_of(tmp_path, mounts=tmp_path / "none", devices=tmp_path)
    assert words == "whether its volume is encrypted cannot be told here"


def test_this_machine_is_understood(tmp_path: Path) -> None:
    assert "encrypted" in volume_of(tmp_path)
