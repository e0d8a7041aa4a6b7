"""The rules of imports, stated in pyproject.toml."""

from __future__ import annotations

import pytest
from importlinter.cli import lint_imports
from sources import ROOT


def test_imports_follow_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out
