"""Whether texts are legal by what others wrote: Atlassian's own parser of JQL, one of SOQL, GitHub's GraphQL schema."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from graphql import build_schema, parse, validate
from installed_programs import digest, installed, require_program

SCHEMA_PACKAGE = "@octokit/graphql-schema@15.26.1"
PACKAGES = ("@atlassianlabs/jql-ast@2.1.0", "@jetstreamapp/soql-parser-js@6.3.1")
TIMEOUT_S = 300.0


def grammar_problems(jql: Sequence[str], soql: Sequence[str]) -> list[str]:
    """Return what is wrong with texts, one line for each that is not legal; all are read by one process."""
    done = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        input=json.dumps({"jql": list(jql), "soql": list(soql)}),
        capture_output=True,
        text=True,
        cwd=_from_npm(*PACKAGES),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    judged = [*zip(jql, answers["jql"], strict=True), *zip(soql, answers["soql"], strict=True)]
    return [f"{text}: {problem}" for text, problem in judged if problem]


def github_query_problems(queries: Sequence[str]) -> list[str]:
    """Return what GitHub's schema does not know of queries, one line for each error."""
    text = _from_npm(SCHEMA_PACKAGE) / "node_modules" / "@octokit" / "graphql-schema" / "schema.graphql"
    # As published, its directives do not all pass the checks of a schema.
    schema = build_schema(text.read_text(encoding="utf-8"), assume_valid_sdl=True)
    return [f"{error.message} in {query}" for query in queries for error in validate(schema, parse(query))]


def _from_npm(*packages: str) -> Path:
    for program in ("node", "npm"):
        require_program(program)

    def install(folder: Path) -> list[str]:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        return ["npm", "install", *options, *packages]

    return installed(f"grammars-{digest(' '.join(packages))}", install)
