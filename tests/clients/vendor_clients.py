"""What clients say of requests: those of Stripe, Notion and Slack, python-gitlab, and others. Read, never executed.

Each gives requests, by method and path with `{}` in the place of values, with their parameters and the members of
closed sets of values, empty where any value may be sent; None in the place of parameters that a client does not tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

Parameters = dict[str, list[str]]
Described = dict[tuple[str, str], Parameters | None]

_NOTION = re.compile(
    r'method: "(\w+)",\s*pathParams: \[[^\]]*\],\s*queryParams: \[([^\]]*)\],\s*bodyParams: \[([^\]]*)\],'
    r"\s*path: \(p?\) => `([^`]*)`"
)
GITLAB_PAGES: Parameters = {"page": [], "per_page": [], "pagination": [], "order_by": [], "sort": []}
"""Taken by every list: GitLab's pages, and keyset pagination with its order."""


def stripe_requests(package: Path) -> Described:
    """Read the listings and single objects of Stripe's client for Python."""
    found: Described = {}
    for file in sorted((package / "params").glob("_*_list_params.py")):
        resource = file.name.removeprefix("_").removesuffix("_list_params.py")
        for path in _stripe_paths(package, resource):
            classes = {node.name: node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)}
            name = next(name for name in classes if name.endswith("ListParams"))
            found["GET", path] = dict(_stripe_parameters(classes, name))
            found["GET", f"{path}/{{}}"] = {"expand": []}
    return found


def _stripe_paths(package: Path, resource: str) -> Iterator[str]:
    """Give the addresses that a resource's service lists."""
    service = package / f"_{resource}_service.py"
    if not service.is_file():
        return
    for function in ast.walk(ast.parse(service.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name == "list":
            for node in ast.walk(function):
                if isinstance(node, ast.Constant) and str(node.value).startswith("/v1/"):
                    yield re.sub(r"\{[^}]*\}", "{}", str(node.value))


def _stripe_parameters(classes: dict[str, ast.ClassDef], name: str) -> Iterator[tuple[str, list[str]]]:
    for field in classes[name].body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        told = ast.unparse(field.annotation)
        inner = next((each for each in classes if re.search(rf"\b{each}\b", told)), None)
        if inner is not None:
            yield from ((f"{field.target.id}[{one}]", values) for one, values in _stripe_parameters(classes, inner))
        literals = re.search(r"Literal\[([^\]]*)\]", told)
        is_closed = literals is not None and "|str" not in told.replace(" ", "")
        yield field.target.id, re.findall(r"'([^'\\]*)", literals[1]) if literals is not None and is_closed else []


def gitlab_requests(package: Path) -> Described:
    """Read the listings of python-gitlab, which are below /api/v4, and single objects."""
    found: Described = {}
    for file in sorted((package / "v4" / "objects").glob("*.py")):
        for manager in ast.parse(file.read_text()).body:
            if not isinstance(manager, ast.ClassDef):
                continue
            told = {
                node.targets[0].id: [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
                for node in manager.body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            }
            if told.get("_path"):
                path = "/api/v4" + re.sub(r"\{[^}]*\}", "{}", str(told["_path"][0]))
                filters: Parameters = {str(name): [] for name in told.get("_list_filters", ())}
                found["GET", path] = {**(found.get(("GET", path)) or {}), **GITLAB_PAGES, **filters}
                found.setdefault(("GET", f"{path}/{{}}"), {})
    return found


def notion_requests(package: Path) -> Described:
    """Read the requests of Notion's client for JavaScript; members of a body are parameters, too."""
    found: Described = {}
    text = (package / "build" / "src" / "api-endpoints.js").read_text()
    for method, query, body, path in _NOTION.findall(text):
        place = "/v1/" + re.sub(r"\$\{[^}]*\}", "{}", path)
        found[method.upper(), place] = {name: [] for name in re.findall(r'"([^"]+)"', query + body)}
    return found


def slack_requests(package: Path) -> Described:
    """Read the methods of Slack's client for Python; its arguments are their parameters."""
    found: Described = {}
    (client,) = (
        node
        for node in ast.parse((package / "web" / "client.py").read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "WebClient"
    )
    for function in client.body:
        called = re.search(r"self\.api_call\(['\"]([A-Za-z.]+)['\"]", ast.unparse(function))
        if isinstance(function, ast.FunctionDef) and called is not None:
            found["GET", f"/{called[1]}"] = {argument.arg: [] for argument in function.args.kwonlyargs}
    return found


def zendesk_requests(package: Path) -> Described:
    """Read the endpoints of Zenpy, which are below /api/v2; lists have single objects and many of them below."""
    found: Described = {}
    told = re.findall(r"Endpoint\(\s*'([^']+)'", (package / "lib" / "endpoint.py").read_text())
    for each in told:
        path = "/api/v2/" + re.sub(r"%\(\w+\)s|\{\d*\}", "{}", each.removesuffix(".json"))
        found |= dict.fromkeys((("GET", path), ("GET", f"{path}/{{}}"), ("GET", f"{path}/show_many")))
    return found


def pagerduty_requests(package: Path) -> Described:
    """Read the paths that PagerDuty's client for Python knows."""
    text = (package / "rest_api_v2_client.py").read_text()
    (listed,) = re.findall(r"^CANONICAL_PATHS = (\[.*?\])$", text, re.DOTALL | re.MULTILINE)
    return {("GET", re.sub(r"\{\w+\}", "{}", path)): None for path in ast.literal_eval(listed)}


def jira_agile_requests(package: Path) -> Described:
    """Read the listings of the agile API in the client `jira` for Python, pages included."""
    found: Described = {}
    for function in ast.walk(ast.parse((package / "client.py").read_text())):
        if not isinstance(function, ast.FunctionDef) or "AGILE_BASE_URL" not in ast.unparse(function):
            continue
        for path in re.findall(r"_fetch_pages\(\w+, '\w+', f?'([^']+)'", ast.unparse(function)):
            names = re.findall(r"params\['(\w+)'\]", ast.unparse(function))
            place = "/rest/agile/1.0/" + re.sub(r"\{[^}]*\}", "{}", path)
            found["GET", place] = {name: [] for name in ("startAt", "maxResults", *names)}
    return found
