"""`make fuzz` runs every module that tries more there than elsewhere, and every proof that docs/security names."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROFILED = 'get_current_profile_name() == "fuzz"'
BOUNDED = (PROFILED, "import BOUNDS,", "as_profiled")
PROOFS = (
    "tests/integration/policy/test_bypass.py",
    "tests/integration/policy/test_engines_agree.py",
    "tests/integration/audit/test_secret_canary.py",
    "tests/differential/test_random_policies.py",
    "tests/fuzz",
)


def fuzzed() -> list[str]:
    """Ask make what it runs."""
    told = subprocess.run(["make", "--dry-run", "fuzz"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (command,) = [line for line in told.splitlines() if "--hypothesis-profile=fuzz" in line]
    return command.partition("pytest ")[2].partition(" --hypothesis-profile")[0].split()


def test_all_that_asks_for_the_profile_is_run() -> None:
    run = fuzzed()
    asking = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if file != Path(__file__) and any(words in file.read_text(encoding="utf-8") for words in BOUNDED)
    }
    assert len(asking) > 8
    left_out = {file for file in asking if not any(file == each or file.startswith(f"{each}/") for each in run)}
    assert left_out == set()


def test_random_statements_and_policies_ask_for_the_profile() -> None:
    for folder in ("differential", "fuzz"):
        for file in (ROOT / "tests" / folder).glob("test_*.py"):
            text = file.read_text(encoding="utf-8")
            assert "@given(" not in text or any(words in text for words in BOUNDED), file


def test_every_proof_is_run() -> None:
    run = fuzzed()
    assert [proof for proof in PROOFS if proof not in run] == []
    assert all((ROOT / each).exists() for each in run)
