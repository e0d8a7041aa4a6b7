"""What clients say of requests: those of Stripe, HubSpot, Notion, python-gitlab and others. Read, never executed.

Each gives requests, by method and path with `{}` in the place of values, with their parameters and the members of
closed sets of values, empty where any value may be sent; None in the place of parameters that a client does not tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

Parameters = dict[str, list[str]]
Schema = dict[str, Any]
Described = dict[tuple[str, str], Parameters | None]

_NOTION = re.compile(
    r'method: "(\w+)",\s*pathParams: \[[^\]]*\],\s*queryParams: \[([^\]]*)\],\s*bodyParams: \[([^\]]*)\],'
    r"\s*path: \(p?\) => `([^`]*)`"
)
GITLAB_PAGES: Parameters = {"page": [], "per_page": [], "pagination": [], "order_by": [], "sort": []}
"""Taken by every list: GitLab's pages, and keyset pagination with its order."""


def stripe_requests(package: Path) -> Described:
    """Read the listings and single objects of Stripe's client for Python, and the account of the key."""
    found = _stripe_own_account(package)
    for file in sorted((package / "params").glob("_*_list_params.py")):
        resource = file.name.removeprefix("_").removesuffix("_list_params.py")
        for path in _stripe_paths(package, resource):
            classes = {node.name: node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)}
            name = next(name for name in classes if name.endswith("ListParams"))
            found["GET", path] = dict(_stripe_parameters(classes, name))
            found["GET", f"{path}/{{}}"] = {"expand": []}
    return found


def _stripe_own_account(package: Path) -> Described:
    """Read where Stripe's client asks for the account whose key it has, which is no listing."""
    service = ast.parse((package / "_account_service.py").read_text())
    (function,) = (node for node in ast.walk(service) if getattr(node, "name", "") == "retrieve_current")
    paths = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
    return {("GET", str(path)): {"expand": []} for path in paths if str(path).startswith("/v1/")}


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
        # Beside them stands any text, for members of the future.
        yield field.target.id, re.findall(r"[\w-]+", literals[1]) if literals is not None else []


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


def pagerduty_paths(package: Path) -> Described:
    """Read the paths that PagerDuty's client for Python knows."""
    text = (package / "rest_api_v2_client.py").read_text()
    (listed,) = re.findall(r"^CANONICAL_PATHS = (\[.*?\])$", text, re.DOTALL | re.MULTILINE)
    return {("GET", anonymous(path)): None for path in ast.literal_eval(listed)}


def pagerduty_requests(package: Path) -> Described:
    """Read Arcade's tools for PagerDuty: a file for each request of PagerDuty's own description."""
    found: Described = {}
    for file in sorted((package / "wrapper_tools").glob("*.json")):
        told = msgspec.json.decode(file.read_bytes())["http_endpoint"]
        parameters = [each for each in told["parameters"] if each["accepted_as"] == "query"]
        found[told["http_method"], anonymous(urlsplit(told["url"]).path)] = {
            each["name"].removesuffix("[]"): each["value_schema"]["enum"] or [] for each in parameters
        }
    return found


def zendesk_parameters(package: Path) -> Described:
    """Read the client that Speakeasy generates from Zendesk's description: paths, parameters and their closed sets."""
    models = "".join(file.read_text() for file in sorted((package / "models").glob("*op.py")))
    sets = {
        name: re.findall(r'"([^"]*)"', texts)
        for name, texts in re.findall(r"^(\w+) = Literal\[(.*?)\]$", models, re.MULTILINE | re.DOTALL)
    }
    queries: dict[str, Parameters] = {}
    for name, body in re.findall(r"^class (\w+Request)\(BaseModel\):\n(.*?)(?=^class |\Z)", models, re.M | re.DOTALL):
        members = re.findall(r"^    (\w+): Annotated\[\s*(.*?)^    \]", body, re.MULTILINE | re.DOTALL)
        queries[name] = {
            (alias[1] if (alias := re.search(r'alias="([^"]+)"', told)) else member): next(
                (texts for each, texts in sets.items() if re.search(rf"\b{each}\b", told)), []
            )
            for member, told in members
            if "query=" in told
        }
    found: Described = {}
    for file in sorted(package.glob("*.py")):
        functions = re.split(r"^    (?:async )?def ", file.read_text(), flags=re.MULTILINE)
        for function in functions:
            at = re.search(r'method="(\w+)",\s*path="([^"]+)"', function)
            made = re.search(r"request = models\.(\w+)\(", function)
            if at is not None:
                # What is posted for a token stands in the prose alone.
                known = queries.get(made[1], {}) if made is not None else {}
                found[at[1], anonymous(at[2])] = known if at[1] == "GET" else None
    return found


def hubspot_requests(package: Path) -> Described:
    """Read HubSpot's client for Python, which is generated from its descriptions."""
    found: Described = {}
    for file in sorted(package.rglob("*_api.py")):
        for function in re.split(r"^    def ", file.read_text(), flags=re.MULTILINE):
            at = re.search(r'call_api\(\s*"([^"]+)",\s*"(\w+)"', function)
            if at is not None:
                names = re.findall(r'(?:query_params|form_params)\.append\(\("([^"]+)"', function)
                found[at[2], anonymous(at[1]).rstrip("/")] = {name: [] for name in names}
    return found


def hubspot_search(package: Path) -> Schema:
    """Read what HubSpot's client for Python may post as a search, as a JSON Schema."""
    return _model(package / "crm" / "objects" / "models", "PublicObjectSearchRequest")


def _model(folder: Path, name: str) -> Schema:
    text = (folder / f"{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.py").read_text()
    types, names = (
        ast.literal_eval(re.search(rf"^    {what} = (.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
        for what in ("openapi_types", "attribute_map")
    )
    properties: Schema = {}
    for member, told in types.items():
        item = told.removeprefix("list[").removesuffix("]")
        kind = {"str": "string", "int": "integer", "bool": "boolean"}.get(item)
        schema: Schema = {"type": kind} if kind is not None else _model(folder, item)
        setter = re.search(rf"def {member}\(self, {member}\):.*?allowed_values = (\[.*?\])", text, re.DOTALL)
        if setter is not None and setter[0].count("def ") == 1:
            schema["enum"] = ast.literal_eval(setter[1])
        properties[names[member]] = {"type": "array", "items": schema} if told != item else schema
    return {"type": "object", "properties": properties}


def anonymous(template: str) -> str:
    """Return a template whose placeholders have no names."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def jira_python_requests(package: Path) -> Described:
    """Read the client `jira` for Python: listings of the agile API with pages, plain lists of the platform's."""
    plain = re.findall(r'self\._get_json\("([a-z]\w+)"', (package / "client.py").read_text())
    found: Described = {("GET", f"/rest/api/3/{path}"): None for path in plain}
    for function in ast.walk(ast.parse((package / "client.py").read_text())):
        if not isinstance(function, ast.FunctionDef) or "AGILE_BASE_URL" not in ast.unparse(function):
            continue
        for path in re.findall(r"_fetch_pages\(\w+, '\w+', f?'([^']+)'", ast.unparse(function)):
            names = re.findall(r"params\['(\w+)'\]", ast.unparse(function))
            place = "/rest/agile/1.0/" + re.sub(r"\{[^}]*\}", "{}", path)
            found["GET", place] = {name: [] for name in ("startAt", "maxResults", *names)}
    return found
