"""A Sync that would change nothing is not sent on, as long as PostgreSQL is asked often enough."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from omnisql_server.session.portals import SYNC_AGAIN_AFTER_S, sync_says_nothing


@dataclass(slots=True)
class Link:
    """A link in an open block to which nothing was sent since ReadyForQuery."""

    resting: bool = True
    status: str = "T"
    lost: bool = False
    skipping: bool = False
    head_since_s: float = 0.0


def link(*, age_s: float = -60.0, **given: Any) -> Any:
    # By default of the future, so that it is young however long the test takes.
    return Link(head_since_s=time.monotonic() - age_s, **given)


def test_after_nothing_else_it_says_nothing() -> None:
    assert sync_says_nothing(link())


@pytest.mark.parametrize(
    "given",
    [
        {"resting": False},
        {"status": "I"},
        {"status": "E"},
        {"lost": True},
        {"skipping": True},
        {"age_s": 2 * SYNC_AGAIN_AFTER_S},
    ],
    ids=lambda given: next(iter(given)),
)
def test_else_it_is_sent_on(given: dict[str, Any]) -> None:
    assert not sync_says_nothing(link(**given))
