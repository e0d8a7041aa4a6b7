"""The texts of a session whose answers may be given again without asking its backend: of simple queries, and the bytes
of whole units of the extended protocol, which hold zeros as no query does.

A text is here once it has been run, and leaves when anything happens that could have changed a setting of the backend,
or what names mean there: whatever the client has relayed, another backend, a setting that PostgreSQL reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from omnisql_server.model.run import Repeatable
from omnisql_server.session.link import BackendLink

TEXTS_MAX = 64
PROVEN_FOR_S = 60.0
"""How long what PostgreSQL does not report may stay unseen: settings that an operator changes in its configuration."""


class Proven:
    """Holds a session's texts, the one that was run longest ago first."""

    def __init__(self, link: BackendLink, now_s: Callable[[], float] = time.monotonic) -> None:
        self._link = link
        self._now_s = now_s
        self._touches = link.touches
        self._texts: dict[bytes, tuple[Repeatable, float, object]] = {}

    def __contains__(self, text: object) -> bool:
        """Say whether a text may be answered again."""
        return isinstance(text, bytes) and self.find(text) is not None

    def find(self, text: bytes) -> Repeatable | None:
        """Return what a text stands for, None if it must be run."""
        known = self._texts.get(text)
        if known is None:
            return None
        repeatable, learned_s, _ = known
        if self._touches != self._link.touches:
            self._texts.clear()
        elif repeatable.holds and self._now_s() - learned_s < PROVEN_FOR_S:
            return repeatable
        return None

    def said(self, text: bytes) -> object:
        """Return what was learned with a text."""
        known = self._texts.get(text)
        return None if known is None else known[2]

    def learn(self, text: bytes, repeatable: Repeatable | None, touches: int, said: object = None) -> None:
        """Take in what a text stood for that was run alone, outside any transaction, since the link had `touches`.

        `said` is whatever belongs to it.
        """
        if touches != self._link.touches:
            return
        if self._touches != touches:
            self._texts.clear()
            self._touches = touches
        self._texts.pop(text, None)
        if repeatable is not None:
            self._texts[text] = (repeatable, self._now_s(), said)
        if len(self._texts) > TEXTS_MAX:
            del self._texts[next(iter(self._texts))]
