"""Whether requests that were really made are legal, by what others have written of the vendors' requests."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import legal_requests
from demo_server import Simulator
from legal_requests import Sent


@dataclass(slots=True)
class Seen:
    """Every distinct request that simulators were sent: vendor, method, path, parameters and body as JSON."""

    requests: set[tuple[str, str, str, tuple[tuple[str, str], ...], str]] = field(default_factory=set)

    def take(self, vendor: str, simulator: Simulator) -> None:
        """Take in what a simulator's log has."""
        for record in simulator.requests():
            pairs = tuple((name, text) for name, texts in record["query"].items() for text in texts)
            body = json.dumps(record["body"], sort_keys=True)
            self.requests.add((vendor, str(record["method"]), str(record["raw_path"]), pairs, body))

    def has_or(self, vendor: str) -> bool:
        """Say whether a vendor was sent OR: in a query between its literals, or as the name or the groups of a body."""
        own = [(pairs, json.loads(body)) for seen, _, _, pairs, body in self.requests if seen == vendor]
        queries = (_LITERAL.sub("", text) for pairs, _ in own for _, text in pairs)
        return any(" OR " in text for text in queries) or any(_is_or(body) for _, body in own)

    def parameters(self, vendor: str, name: str) -> list[str]:
        """Return the distinct values of a parameter, and of a key of posted bodies, of a vendor's requests."""
        own = [(pairs, json.loads(body)) for seen, _, _, pairs, body in self.requests if seen == vendor]
        sent = {text for pairs, _ in own for given, text in pairs if given == name}
        return sorted(sent | {str(body[name]) for _, body in own if isinstance(body, dict) and name in body})


_LITERAL = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def _is_or(body: object) -> bool:
    if isinstance(body, list):
        return any(map(_is_or, body))
    if not isinstance(body, dict):
        return False
    return "or" in body or len(body.get("filterGroups", ())) > 1 or any(map(_is_or, body.values()))


def problems(seen: Seen) -> set[str]:
    """Say what is wrong with the requests that were made, queries in GraphQL with their variables included."""
    found: set[str] = set()
    for vendor, method, path, pairs, body in seen.requests:
        request = Sent(vendor=vendor, method=method, path=path, parameters=pairs, body=json.loads(body))
        found |= legal_requests.problems(request)
    return found
