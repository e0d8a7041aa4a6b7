"""Whether texts are legal in JQL and SOQL, by parsers that others wrote: Atlassian's own, and one of SOQL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from installed_programs import digest, installed, require_program

PACKAGES = ("@atlassianlabs/jql-ast@2.1.0", "@jetstreamapp/soql-parser-js@6.3.1")
TIMEOUT_S = 300.0


def grammar_problems(jql: Sequence[str], soql: Sequence[str]) -> list[str]:
    """Return what is wrong with texts, one line for each that is not legal; all are read by one process."""
    for program in ("node", "npm"):
        require_program(program)

    def install(folder: Path) -> list[str]:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        return ["npm", "install", *options, *PACKAGES]

    done = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        input=json.dumps({"jql": list(jql), "soql": list(soql)}),
        capture_output=True,
        text=True,
        cwd=installed(f"grammars-{digest(' '.join(PACKAGES))}", install),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    judged = [*zip(jql, answers["jql"], strict=True), *zip(soql, answers["soql"], strict=True)]
    return [f"{text}: {problem}" for text, problem in judged if problem]
