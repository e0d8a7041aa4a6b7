"""The rules of imports, stated in pyproject.toml."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from importlinter.cli import lint_imports
from sources import ROOT


@pytest.fixture
def loggers() -> Iterator[None]:
    """Undo what the linter's own configuration of logging does: it disables every logger there is."""
    yield
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.mark.usefixtures("loggers")
def test_imports_follow_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out
