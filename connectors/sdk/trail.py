"""The trail of a reading: the requests that its answers came from, each with what lets the source confirm it later.

Validators follow RFC 9110, section 8.8: an entity tag, or else the time of the last change. A trail is whole or it is
empty: what a reading took from an answer without one cannot be confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import blake2b

from connectors.sdk.request import Request, Response

STEPS_MAX = 500
"""Requests of one trail; a reading of more is cheaper to repeat than to remember."""
CHANGES_TOLD_APART_S = 60.0
"""How much older than the answer a time of last change must be to tell two states apart (RFC 9110, 8.8.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request that was answered by 200, as it has to be sent again.

    `etag` and `modified` are its validators, as the source wrote them. `is_open` says that the answer may go on where
    its validator does not tell (a full last page): it is asked for in full, and `digest` tells whether it is the same.
    """

    template: str
    url: str
    accept: str
    bucket: str
    cost: float = 1.0
    etag: str = ""
    modified: str = ""
    is_open: bool = False
    digest: str = ""


@dataclass(slots=True)
class Trail:
    """Collects the steps of one reading. `asked_at` is the source's own clock at the first answer, if it told it."""

    asked_at: datetime | None = None
    _steps: dict[tuple[str, str], Step] = field(default_factory=dict)
    _is_broken: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return all steps, none where one of them cannot be confirmed."""
        return () if self._is_broken else tuple(self._steps.values())

    def note(self, request: Request, response: Response) -> None:
        """Add an answered request."""
        answered_at = _moment(response.headers.get("date", ""))
        self.asked_at = self.asked_at or answered_at
        etag = response.headers.get("etag", "")
        modified = response.headers.get("last-modified", "")
        if not etag and not _tells_apart(_moment(modified), answered_at):
            modified = ""
        place = (response.url, request.accept)
        can_confirm = request.method == "GET" and response.status == 200 and bool(etag or modified)
        if not can_confirm or (len(self._steps) >= STEPS_MAX and place not in self._steps):
            self.break_off()
        else:
            self._steps[place] = Step(
                template=request.template,
                url=response.url,
                accept=request.accept,
                bucket=request.bucket,
                cost=request.cost,
                etag=etag,
                modified=modified,
                digest=digest_of(response),
            )

    def leave_open(self, response: Response) -> None:
        """Say that an answer may go on where its validator does not tell."""
        for place, step in self._steps.items():
            if place[0] == response.url:
                self._steps[place] = replace(step, is_open=True)

    def break_off(self) -> None:
        """Say that something was taken from an answer that cannot be confirmed."""
        self._is_broken = True
        self._steps.clear()


def digest_of(response: Response) -> str:
    """Tell answers apart by what they hold and where they lead."""
    digest = blake2b(response.content, digest_size=16)
    digest.update(b"\0" + response.headers.get("link", "").encode())
    return digest.hexdigest()


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _tells_apart(modified_at: datetime | None, answered_at: datetime | None) -> bool:
    if modified_at is None or answered_at is None or (modified_at.tzinfo is None) != (answered_at.tzinfo is None):
        return False
    return (answered_at - modified_at).total_seconds() >= CHANGES_TOLD_APART_S
