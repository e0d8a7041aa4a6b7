"""What the tests of the source have read is let go once they are done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sources import forget


@pytest.fixture(scope="package", autouse=True)
def sources_are_let_go() -> Iterator[None]:
    yield
    forget()
