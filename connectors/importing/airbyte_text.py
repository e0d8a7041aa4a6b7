"""References, parameters and interpolations of Airbyte's low-code language, version 6 and before. Pure.

Interpolations become placeholders where they name one thing; anything that computes is refused by its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.importing.columns import path_to, snake
from connectors.importing.report import Refused

DEPTH_MAX = 60
_INTERPOLATION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STEPS = r"((?:\.get\(\s*['\"][\w-]+['\"]\s*(?:,[^()]*)?\)|\.\w+|\[\s*['\"][^'\"]+['\"]\s*\])+)"
_STEP = re.compile(r"\.get\(\s*['\"]([\w-]+)['\"]\s*(?:,[^()]*)?\)|\.(\w+)|\[\s*['\"]([^'\"]+)['\"]\s*\]")
_PARAMETER = re.compile(rf"(?:parameters|options){_STEPS}")
_CONFIG = re.compile(rf"config{_STEPS}")
_SLICE = re.compile(rf"(?:stream_slice|stream_partition){_STEPS}")
_RESPONSE = re.compile(rf"response{_STEPS}")
_LAST_ROW = re.compile(rf"response{_STEPS}\[\s*-1\s*\]{_STEPS}")
_RECORD = re.compile(rf"last_record{_STEPS}")
_DEFAULT = re.compile(r",\s*['\"]([^'\"]*)['\"]\s*\)$")
_FLAG = re.compile(r"(?:has_?more|more|has_?next|has_?next_?page|more_?data_?available|has_?more_?\w*)", re.IGNORECASE)
_AS_JSON = re.compile(r"\|\s*tojson(?:\(\s*\))?\s*$")
"""Keeps a text that looks like a list from being read as one, which nothing here does."""
_INHERITED = ("path", "name", "primary_key", "cursor_field", "http_method", "url_base", "url")


def steps_of(text: str) -> list[str]:
    """Return the names that an access goes through: `.a['b'].get('c', {})` is a, b, c."""
    return [next(filter(None, match.groups())) for match in _STEP.finditer(text)]


def expanded(value: Any, document: Mapping[str, Any], parameters: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a part with its references followed and its parameters in the places where they are used.

    Raises:
        Refused: a reference leads nowhere, or parts are nested without end.
    """
    if depth > DEPTH_MAX:
        raise Refused("its parts refer to each other without end")
    if isinstance(value, list):
        return [expanded(each, document, parameters, depth + 1) for each in value]
    if isinstance(value, str):
        if value.startswith("#/"):
            return expanded(_named(value, document), document, parameters, depth + 1)
        return _with_parameters(value, parameters)
    if not isinstance(value, Mapping):
        return value
    merged = dict(value)
    while isinstance(merged.get("$ref"), str):
        referred = _named(merged.pop("$ref"), document)
        if not isinstance(referred, Mapping):
            return expanded(referred, document, parameters, depth + 1)
        own = {**(referred.get("$parameters") or {}), **(merged.get("$parameters") or {})}
        merged = {**referred, **merged, **({"$parameters": own} if own else {})}
    known = {**parameters, **(merged.pop("$parameters", None) or merged.pop("$options", None) or {})}
    found = {key: expanded(each, document, known, depth + 1) for key, each in merged.items()}
    if "type" in found or "class_name" in found or "retriever" in found:
        found = {**{key: known[key] for key in _INHERITED if key in known}, **found}
    return found


def _named(reference: str, document: Mapping[str, Any]) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise Refused(f"reference {reference} leads nowhere")
    return found


def _with_parameters(text: str, parameters: Mapping[str, Any]) -> Any:
    whole = _INTERPOLATION.fullmatch(text.strip())
    choices = [_PARAMETER.fullmatch(each.strip()) for each in re.split(r"\sor\s", whole[1])] if whole else []
    for match in choices if all(choices) else ():
        if match is not None and (found := _parameter(match[1], parameters, text)) != text:
            return found

    def one(found: re.Match[str]) -> str:
        match = _PARAMETER.fullmatch(found[1].strip())
        return found[0] if match is None else str(_parameter(match[1], parameters, found[0]))

    return _INTERPOLATION.sub(one, text)


def _parameter(access: str, parameters: Mapping[str, Any], text: str) -> Any:
    found: Any = parameters
    for step in steps_of(access):
        found = found.get(step) if isinstance(found, Mapping) else None
    if found is None and (default := _DEFAULT.search(access)):
        return default[1]
    return text if found is None else found


@dataclass(slots=True, kw_only=True)
class Names:
    """The options of the user's configuration that texts have used, by the name they get here."""

    used: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def placeholders(self, text: object, keys: Mapping[str, str] | None = None) -> str:
        """Return a text with placeholders for what its interpolations name: options, and keys of a parent.

        Raises:
            Refused: one of them computes something.
        """

        def one(found: re.Match[str]) -> str:
            inner = found[1].strip()
            if match := _CONFIG.fullmatch(inner):
                return f"{{{self.option(steps_of(match[1]))}}}"
            match = _SLICE.fullmatch(inner)
            steps = steps_of(match[1]) if match else []
            if keys is not None and len(steps) == 1 and steps[0] in keys:
                return f"{{{keys[steps[0]]}}}"
            raise Refused(f"interpolation {found[0]}")

        return _INTERPOLATION.sub(one, str(text))

    def option(self, steps: list[str]) -> str:
        """Return the name of an option of the configuration."""
        name = snake(steps[-1])
        if name is None:
            raise Refused(f"option {steps[-1]} has no name that can be used")
        self.used[name] = tuple(steps)
        return name


def constant(text: object) -> bool:
    """Say whether nothing is interpolated in a value."""
    return not isinstance(text, str) or _INTERPOLATION.search(text) is None


def _one(pattern: re.Pattern[str]) -> Callable[[object], list[str] | None]:
    def read(text: object) -> list[str] | None:
        whole = _INTERPOLATION.fullmatch(str(text).strip())
        match = pattern.fullmatch(_AS_JSON.sub("", whole[1]).strip()) if whole else None
        return steps_of(match[1]) if match else None

    return read


response_steps = _one(_RESPONSE)
_in_last_record = _one(_RECORD)


def last_row_steps(text: object, rows: str) -> list[str] | None:
    """Return the names below the last row of an answer, whose rows are at a path, that a text stands for."""
    whole = _INTERPOLATION.fullmatch(str(text).strip())
    match = _LAST_ROW.fullmatch(whole[1].strip()) if whole else None
    if match is not None:
        return steps_of(match[2]) if path_to(*steps_of(match[1])) == rows else None
    return _in_last_record(text)


slice_steps = _one(_SLICE)


def negated_response(text: object) -> str | None:
    """Return the path of a flag in `{{ not response.has_more }}` or `{{ response.has_more is false }}`."""
    inner = str(text).strip().removeprefix("{{").removesuffix("}}").strip()
    for pattern in (rf"not\s+response{_STEPS}", rf"response{_STEPS}\s*(?:is|==)\s*[Ff]alse"):
        match = re.fullmatch(pattern, inner)
        # Anything but a flag would end a listing before its time: only what is named like one is taken for one.
        if match is not None and _FLAG.fullmatch(steps_of(match[1])[-1]):
            return path_to(*steps_of(match[1]))
    return None
