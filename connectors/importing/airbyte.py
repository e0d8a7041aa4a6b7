"""Airbyte's low-code manifests as manifests of ours, stream by stream: what stops one is named. Pure.

The language is that of the low-code CDK, version 6 and before; a stream that needs code, or computes, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.importing.airbyte_requests import address_of, authentications, pagination_of, refuse_custom
from connectors.importing.airbyte_rows import Rows, rows_of
from connectors.importing.airbyte_text import Names, constant, expanded
from connectors.importing.columns import snake
from connectors.importing.report import Imported, Part, Refused, finished

SchemaOf = Callable[[str], Mapping[str, Any] | None]
"""Gives the JSON Schema in a file beside the manifest, by the stream's name; None where there is none."""


def import_airbyte(document: Mapping[str, Any], name: str, schema_of: SchemaOf = lambda _: None) -> Imported:
    """Convert a low-code manifest.

    Raises:
        Refused: it is none.
    """
    if document.get("type") not in {"DeclarativeSource", None} or not document.get("streams"):
        raise Refused("it is no low-code manifest with streams")
    importing = _Importing(document, schema_of)
    parts = [Part(name="", source="") for _ in document["streams"]]
    tables: dict[str, Any] = {}
    for part, stream in zip(parts, document["streams"], strict=True):
        try:
            tables |= importing.table(stream, part, {p.name for p in parts if p is not part})
        except Refused as refusal:
            part.refused = str(refusal)
    if not tables:
        return Imported(text=None, parts=parts, warnings=importing.notes)
    head = importing.head(name, str(tables))
    checked = _checked(document, tables, importing.notes)
    return finished({**head, "check": {"request": checked}}, tables, parts, importing.notes)


class _Importing:
    """What the streams of one manifest share: address, authentication, headers and options."""

    def __init__(self, document: Mapping[str, Any], schema_of: SchemaOf) -> None:
        self._document = document
        self._schema_of = schema_of
        self._base: str | None = None
        self._auth: list[dict[str, Any]] = []
        self._headers: dict[str, str] | None = None
        self.names = Names()
        self.notes: list[str] = []

    def table(self, raw: Any, part: Part, taken: set[str]) -> dict[str, Any]:
        """Convert one stream to a table by its name."""
        stream = expanded(raw, self._document, {})
        part.source = f"stream {stream.get('name')}"
        part.name = snake(str(stream.get("name") or "")) or part.source
        if stream.get("type") == "StateDelegatingStream":
            part.warnings.append("it is always read in full: its incremental stream is left out")
            stream = {**stream["full_refresh_stream"], "name": stream.get("name")}
        refuse_custom(stream, "stream", ("DeclarativeStream",))
        if part.name in taken or snake(part.name) is None:
            raise Refused("its name is not one that a table could have, or that of another stream")
        retriever = stream.get("retriever") or {}
        refuse_custom(retriever, "retriever", ("SimpleRetriever",))
        refuse_custom(retriever.get("decoder"), "decoder", ("JsonDecoder",))
        requester = retriever.get("requester") or {}
        refuse_custom(requester, "requester", ("HttpRequester",))
        rows = rows_of(stream, retriever, self._document, self._schema_of, part)
        base, path = address_of(requester)
        access = self._access(requester, path, rows)
        pagination = pagination_of(retriever.get("paginator"), rows.path, part)
        self._share(base, requester, part)
        return {part.name: rows.table(f"Stream {stream['name']} of the imported manifest.", access, pagination)}

    def head(self, name: str, requests: str) -> dict[str, Any]:
        """Return the part of the manifest before its tables, whose options are those that requests are made of."""
        base = self._base or ""
        head: dict[str, Any] = {
            "omnisql": 1,
            "name": name,
            "title": name,
            "documentation": str((self._document.get("spec") or {}).get("documentation_url") or "unknown"),
        }
        if constant(base):
            head["base_url"] = base
        else:
            self.notes.append(f"option base_url is required: {base}")
        if self._headers:
            head["headers"] = self._headers
        if not self._auth:
            self.notes.append("nothing tells how one proves who one is: requests are sent without")
        in_auth = str(self._auth)
        secrets = {each for each in self.names.used if f"{{{each}}}" in in_auth and not self._is_plain(each)}
        secrets = secrets or {each for each in self.names.used if f"{{{each}}}" in in_auth}
        used = [each for each in self.names.used if f"{{{each}}}" in requests + in_auth]
        described = {each: {"description": self._described(each)} for each in used}
        # What only proves who one is may be missing: another way may be taken then.
        options = {
            each: told if f"{{{each}}}" in in_auth else {**told, **self._given(each)}
            for each, told in described.items()
            if each not in secrets
        }
        return {
            **head,
            **({"options": options} if options else {}),
            **({"secrets": {each: described[each] for each in described if each in secrets}} if secrets else {}),
            "auth": self._auth,
        }

    def _access(self, requester: Mapping[str, Any], path: str, rows: Rows) -> dict[str, Any]:
        method = str(requester.get("http_method") or "GET").upper()
        if method not in {"GET", "POST"}:
            raise Refused(f"method {method}")
        bodies = {"request_body_data": requester.get("request_body_data")}
        if any(bodies.values()):
            raise Refused("request_body_data is not sent")
        keys = {name: name for name in rows.keys}
        inputs: dict[str, Any] = dict(rows.inputs)
        for source in ("request_parameters", "request_body_json"):
            given = requester.get(source) or {}
            if not isinstance(given, Mapping):
                raise Refused(f"{source} is a text that is interpolated")
            if given and (source == "request_body_json") is (method == "GET"):
                raise Refused(f"{source} in a {method}")
            for name, value in given.items():
                if rows.takes_bound(str(name), value):
                    continue
                told = self.names.placeholders(value, keys) if isinstance(value, str) else value
                if isinstance(told, str) and (left_out := self._optional(told)):
                    rows.part.warnings.append(f"parameter {name} is left out: option {left_out} need not be given")
                    continue
                inputs[str(name)] = told
        access: dict[str, Any] = {"request": f"{method} {self.names.placeholders(path, keys)}"}
        empty = _ignored(requester.get("error_handler"), rows.part)
        if rows.keys:
            access |= {"keys": list(rows.keys), "echo": list(rows.keys)}
            empty = sorted({*empty, 404})
        return {**access, **({"inputs": inputs} if inputs else {}), **({"empty": empty} if empty else {})}

    def _share(self, base: str, requester: Mapping[str, Any], part: Part) -> None:
        """Take the first stream's address, authentication and headers for all; another's are refused."""
        headers = {str(k): str(v) for k, v in (requester.get("request_headers") or {}).items()}
        auth = authentications(requester.get("authenticator"), base, self.names, self.notes)
        for name in [name for name, value in headers.items() if not constant(value)]:
            value = headers.pop(name)
            if auth:
                part.warnings.append(f"header {name} is left out: its value {value} is computed")
            else:
                auth = [{"kind": "header", "header": name, "value": self.names.placeholders(value)}]
        if self._base is None:
            self._base, self._auth, self._headers = base, auth, headers
        elif base != self._base:
            raise Refused(f"its address {base} is not that of the streams before it, {self._base}")
        elif headers != self._headers or auth != self._auth:
            raise Refused("its headers or its authenticator are others than those of the streams before it")

    def _given(self, name: str) -> dict[str, Any]:
        """Return how it is made sure that an option has a value, as all that requests are made of must have."""
        default = self._property(name).get("default")
        return {"default": str(default)} if isinstance(default, str | int) and default != "" else {"required": True}

    def _optional(self, text: str) -> str | None:
        """Return the option that a text is nothing but, where it need not be given and has no default."""
        described = (self._document.get("spec") or {}).get("connection_specification") or {}
        required = described.get("required") or []
        is_option = text[:1] == "{" and text[1:-1] in self.names.used and text[-1:] == "}"
        if not is_option or "default" in self._property(text[1:-1]) or self.names.used[text[1:-1]][0] in required:
            return None
        return text[1:-1]

    def _property(self, name: str) -> Mapping[str, Any]:
        described: Any = (self._document.get("spec") or {}).get("connection_specification") or {}
        for step in self.names.used[name]:
            properties = described.get("properties") or {}
            for option in described.get("oneOf") or []:
                properties = {**properties, **(option.get("properties") or {})}
            described = properties.get(step) or {}
        return described if isinstance(described, Mapping) else {}

    def _is_plain(self, name: str) -> bool:
        told = self._property(name)
        return bool(told) and told.get("airbyte_secret") is not True

    def _described(self, name: str) -> str:
        told = self._property(name)
        text = str(told.get("description") or told.get("title") or name.replace("_", " "))
        return text.strip().splitlines()[0][:200]


def _ignored(handler: object, part: Part) -> list[int]:
    """Return the statuses that mean no rows; what else a handler does is what the statuses themselves mean."""
    if not isinstance(handler, Mapping):
        return []
    if "class_name" in handler or str(handler.get("type", "")).startswith("Custom"):
        part.warnings.append(f"error handler {handler.get('class_name', handler.get('type'))} is code, and left out")
        return []
    found: list[int] = []
    for each in handler.get("error_handlers") or []:
        found += _ignored(each, part)
    for rule in handler.get("response_filters") or []:
        if isinstance(rule, Mapping) and rule.get("action") == "IGNORE":
            if rule.get("predicate") or rule.get("error_message_contains"):
                part.warnings.append("answers that it ignores for what they say are errors here")
            else:
                found += [status for status in rule.get("http_codes") or [] if isinstance(status, int)]
    return sorted(set(found))


def _checked(document: Mapping[str, Any], tables: Mapping[str, Any], notes: list[str]) -> str:
    paths = {name: path for name, table in tables.items() for path in table["access_paths"].values()}
    requests = {name: path["request"] for name, path in paths.items() if not path.get("keys")}
    named = [snake(str(each)) for each in (document.get("check") or {}).get("stream_names") or []]
    asked = next((requests[each] for each in named if each in requests), None)
    chosen = asked or next(iter(requests.values()), "GET /")
    notes.append(f"{chosen} proves a credential")
    return chosen
