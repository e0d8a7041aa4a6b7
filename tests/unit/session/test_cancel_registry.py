"""Cancel keys lead to their session only."""

from __future__ import annotations

import pytest

from omnisql_server.errors import TooManyConnections
from omnisql_server.session.cancel import CancelRegistry


class Target:
    """A session that does nothing."""

    async def cancel(self) -> None:
        """Do nothing."""


def test_keys_find_their_session_even_when_process_ids_collide() -> None:
    registry = CancelRegistry(lambda: 10)
    first, second = Target(), Target()
    keys = [registry.add(7, first, long_key=False), registry.add(7, second, long_key=True)]
    assert [len(key.secret_key) for key in keys] == [4, 32]
    assert registry.find(7, keys[0].secret_key) is first
    assert registry.find(7, keys[1].secret_key) is second
    assert registry.find(8, keys[0].secret_key) is None
    assert registry.find(7, keys[1].secret_key[:4]) is None
    registry.remove(keys[0])
    assert registry.find(7, keys[0].secret_key) is None
    assert len(registry) == 1
    registry.remove(keys[0])
    assert len(registry) == 1


def test_the_registry_is_bounded() -> None:
    registry = CancelRegistry(lambda: 1)
    key = registry.add(1, Target(), long_key=False)
    with pytest.raises(TooManyConnections):
        registry.add(2, Target(), long_key=False)
    registry.remove(key)
    assert registry.add(2, Target(), long_key=False).process_id == 2
