"""How a manifest says that a status is to be taken, told from its declarations alone: what a proof compares with. Pure.

A status whose meaning hangs on the body, or on a hook, is taken as its status says.
"""

from __future__ import annotations

from connectors.declarative.manifest import Manifest
from connectors.declarative.readable import ReadablePath
from connectors.sdk.testing.faults import DENIED, DOWN, LIMITED, NOTHING, REFUSED, REJECTED, Answers, Expected

PROVED = (401, 403, 404, 409, 429, 500, 502, 503)
_BY_ACTION: dict[str, Expected] = {
    "retry": DOWN,
    "rate_limited": LIMITED,
    "credentials": REJECTED,
    "denied": DENIED,
    "empty": NOTHING,
    "fail": REFUSED,
}


def declared_answers(manifest: Manifest, access: ReadablePath) -> Answers:
    """Return how the answers of a listing are taken that have one of the statuses that a proof tries."""
    found: dict[int, Expected] = dict.fromkeys(sorted(access.empty & set(PROVED)), NOTHING)
    for status in PROVED:
        rule = next((rule for rule in manifest.errors if status in rule.status and rule.at is None), None)
        if rule is not None:
            found[status] = _BY_ACTION[rule.action]
    return found
