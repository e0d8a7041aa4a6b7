"""What clients of GitHub, Slack, Linear and Jira say of requests in the types of parameters. Read, never executed.

Requests are described as in `vendor_clients`; Linear's types are turned back into the schema that they were made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from graphql import GraphQLSchema, build_schema
from typescript_types import Declarations, Listed, Named, Object, Type, declarations
from vendor_clients import Described, Parameters, anonymous

_ZOD_MEMBER = re.compile(r"^  '?([\w.\[\]-]+)'?: ", re.MULTILINE)


def github_requests(package: Path) -> Described:
    """Read GitHub's own description of its REST API, `@octokit/openapi-types`."""
    text = (package / "types.d.ts").read_text()
    paths = declarations(_section(text, "export interface paths {")).types["paths"]
    read = Declarations()
    components = _section(text, "export interface components {")
    read.types["components"] = Object({"parameters": _member(components, "parameters")})
    operations = _section(text, "export interface operations {")
    queries = {
        name: declarations(f"interface operation {{ {parameters} }}").types["operation"]
        for name, parameters in re.findall(
            r'^  "([^"]+)": \{\n(    parameters: \{.*?^    \};\n)?', operations, re.M | re.S
        )
    }
    found: Described = {}
    for template, item in read.members(paths).items():
        for method, operation in read.members(item).items():
            if isinstance(operation, Named) and operation.indexes:
                query = read.members(read.members(queries[operation.indexes[0]]).get("parameters")).get("query")
                found[method.upper(), anonymous(template)] = _parameters(read, query)
    return found


def slack_arguments(package: Path) -> Described:
    """Read the arguments of Slack's methods in `@slack/web-api`."""
    folder = package / "dist" / "types"
    shared = declarations((folder / "helpers.d.ts").read_text())
    shared = declarations((folder / "request" / "common.d.ts").read_text(), shared)
    files = sorted((folder / "request").rglob("*.d.ts"))
    arguments: dict[str, Parameters] = {}
    for file in files:
        read = declarations(file.read_text(), shared)
        for name in read.types:
            if name.endswith("Arguments"):
                arguments[name.removesuffix("Arguments").lower()] = _parameters(read, read[name])
    methods = re.findall(r"'([a-z]\w*(?:\.\w+)+)'", (package / "dist" / "methods.js").read_text())
    return {
        ("GET", f"/{method}"): arguments[key]
        for method in methods
        if (key := method.replace(".", "").lower()) in arguments
    }


def jira_requests(package: Path) -> Described:
    """Read the platform's and the agile API in the client `jira.js`, whose parameters Atlassian's description names."""
    found: Described = {}
    for kind in ("cloud", "agile"):
        for file in sorted((package / "src" / kind / "api").glob("*.ts")):
            for function in file.read_text().split("\nexport async function ")[1:]:
                told = re.search(r"url: ['`]([^'`]+)['`],\s*method: '(\w+)'", function)
                if told is None:
                    continue
                sent = re.search(r"parameters\??: (\w+)", function)
                known = _zod(package / "src" / kind / "parameters", sent[1]) if sent else {}
                parameters: Parameters = {}
                for part in ("searchParams", "body"):
                    inside = re.search(rf"^    {part}: \{{\n(.*?)^    \}},", function, re.MULTILINE | re.DOTALL)
                    for name, given in re.findall(
                        r"^      '?([\w.-]+)'?: parameters\??\.(\w+)", inside[1] if inside else "", re.M
                    ):
                        parameters[name] = known.get(given, [])
                found[told[2], anonymous(told[1].replace("${", "{"))] = parameters
    return found


def linear_schema(package: Path) -> GraphQLSchema:
    """Rebuild the schema of Linear from the types of `@linear/sdk`, which are generated from it."""
    (file,) = (each for each in (package / "dist").glob("index-*.d.mts"))
    read = declarations(file.read_text())
    return build_schema("\n".join(_definitions(read)), assume_valid=True)


def _definitions(read: Declarations) -> Iterator[str]:
    """Write what a query can reach: inputs where arguments and their members lead, all others as objects."""
    done: set[str] = set()
    waiting = [("type", "Query")]
    while waiting:
        kind, name = waiting.pop()
        if name in done or name in {"ID", "String", "Boolean", "Int", "Float"}:
            continue
        done.add(name)
        members = {field: of for field, of in read.members(read[name]).items() if field != "__typename"}
        if members:
            fields = []
            for field, of in members.items():
                given = read.members(read[f"{name}{field[:1].upper()}{field[1:]}Args"]) if kind == "type" else {}
                waiting += [("input", _innermost(each)) for each in given.values()]
                waiting.append((kind, _innermost(of)))
                told = ", ".join(f"{argument}: {_graphql(each)}" for argument, each in given.items())
                fields.append(f"{field}{f'({told})' if told else ''}: {_graphql(of)}")
            yield f"{kind} {name} {{ {', '.join(fields)} }}"
        else:
            values = read.values(read[name])
            yield f"enum {name} {{ {' '.join(values)} }}" if values else f"scalar {name}"


def _graphql(kind: Type) -> str:
    """Write a type in GraphQL: null is not allowed but where it is told."""
    if isinstance(kind, Named) and kind.name in {"Maybe", "InputMaybe"}:
        return _graphql(kind.arguments[0]).removesuffix("!")
    return f"[{_graphql(kind.item)}]!" if isinstance(kind, Listed) else f"{_innermost(kind)}!"


def _innermost(kind: Type) -> str:
    """Name what a type is of, lists and nulls aside; a scalar is an index of all of them."""
    if isinstance(kind, Listed):
        return _innermost(kind.item)
    if not isinstance(kind, Named):
        raise TypeError(kind)
    if kind.name in {"Maybe", "InputMaybe"}:
        return _innermost(kind.arguments[0])
    return kind.indexes[0] if kind.indexes else kind.name


def _zod(folder: Path, name: str) -> Parameters:
    """Read the members of a schema of zod, with the closed set of each."""
    file = folder / f"{name[:1].lower()}{name[1:]}.ts"
    if not file.is_file():
        return {}
    text = re.sub(r"/\*\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    starts = [*_ZOD_MEMBER.finditer(text)]
    found: Parameters = {}
    for start, following in zip_longest(starts, starts[1:]):
        told = text[start.end() : following.start() if following else None]
        closed = re.search(r"openEnum\(\[(.*?)\]\)|z\.enum\(\[(.*?)\]\)", told, re.DOTALL)
        is_closed = closed is not None and "z.string()" not in told
        found[start[1]] = re.findall(r"'([^']*)'", closed[0]) if closed is not None and is_closed else []
    return found


def _section(text: str, start: str) -> str:
    _, began, rest = text.partition(f"\n{start}\n")
    return began + rest.partition("\n}\n")[0] + "\n}\n"


def _member(text: str, name: str) -> Type:
    (inside,) = re.findall(rf"^  {name}: \{{\n.*?^  \}};\n", text, re.MULTILINE | re.DOTALL)
    declared = declarations(f"interface one {{ {inside} }}")
    return declared.members(declared["one"])[name]


def _parameters(read: Declarations, query: Type | None) -> Parameters:
    return {name: read.values(kind) for name, kind in read.members(query).items()}
