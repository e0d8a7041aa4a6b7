"""The company's wiki as a Notion workspace: objects as the API reference shows them, built once. Pure.

On purpose: titles of several pieces, untitled and archived pages, title properties of different names, times cut to the
minute, blocks without text and with children, a bot among the users.
"""

from __future__ import annotations

import uuid

from connectors.simulators.company import Company
from connectors.simulators.plain_rest import Node, iso

_NAMESPACE = uuid.UUID("0d6bb6f1-2f53-4c0a-8b0a-5a2f6f7f2b10")
_TITLES = ("Name", "Task", "Title")
_KINDS = ("paragraph", "heading_1", "to_do", "divider", "bulleted_list_item", "code")


class Workspace:
    """All objects of a workspace."""

    def __init__(self, company: Company) -> None:
        people = [person for person in company.people if not person.is_bot]
        self.users: list[Node] = [
            {"object": "user", "id": _id("user", person.login), "type": "person", "name": person.name,
             "avatar_url": None if at % 4 else f"https://example.com/{at}.png",
             "person": {"email": person.email} if at % 6 else {}}
            for at, person in enumerate(people)
        ]  # fmt: skip
        self.users.append({"object": "user", "id": _id("user", "bot"), "type": "bot", "name": "Importer",
                           "avatar_url": None, "bot": {"owner": {"type": "workspace", "workspace": True}}})  # fmt: skip
        start_ms = company.epoch.timestamp() * 1000 - 300 * 86_400_000
        self.databases = [self._database(at, start_ms) for at in range(5)]
        self.pages: list[Node] = []
        for at, issue in enumerate(company.tracker.issues()):
            database = self.databases[at % 3] if at % 5 else None
            self.pages.append(self._page(at, issue.summary, issue.created_ms, issue.updated_ms, database))
        self.blocks = {
            page["id"]: [self._block(page, at, step) for step in range(at % 6 if at != 1 else 120)]
            for at, page in enumerate(self.pages)
        }
        self.comments = {
            page["id"]: [
                {"object": "comment", "id": _id("comment", page["id"], step), "discussion_id": _id("talk", page["id"]),
                 "parent": {"type": "page_id", "page_id": page["id"]}, "created_by": self._who(step),
                 "rich_text": _texts(f"Comment {step}", " in two pieces"),
                 "created_time": _minute(start_ms + step * 1e6), "last_edited_time": _minute(start_ms + step * 1e6)}
                for step in range(at % 4)
            ]
            for at, page in enumerate(self.pages)
        }  # fmt: skip

    def _database(self, at: int, start_ms: float) -> Node:
        return {
            "object": "database", "id": _id("database", at), "title": _texts(f"Board {at}"),
            "description": _texts("What it is for") if at % 2 else [],
            "is_inline": at % 2 == 1, "archived": False, "in_trash": False, "created_by": self._who(at),
            "created_time": _minute(start_ms + at * 7_200_000), "last_edited_by": self._who(at + 1),
            "last_edited_time": _minute(start_ms + at * 9_400_000), "parent": {"type": "page_id",
            "page_id": _id("page", at)} if at % 2 else {"type": "workspace", "workspace": True},
            "url": f"https://www.notion.so/{_id('database', at).replace('-', '')}",
            "properties": {_TITLES[at % 3]: {"id": "title", "name": _TITLES[at % 3], "type": "title", "title": {}}},
        }  # fmt: skip

    def _page(self, at: int, title: str, created_ms: int, updated_ms: int, database: Node | None) -> Node:
        name = _TITLES[self.databases.index(database) % 3] if database else "title"
        head, _, rest = title.partition(" ")
        pieces = [] if at % 9 == 8 else _texts(head, f" {rest}")
        parent: Node = {"type": "workspace", "workspace": True}
        properties: Node = {name: {"id": "title", "type": "title", "title": pieces}}
        if database:
            parent = {"type": "database_id", "database_id": database["id"]}
            properties["Done"] = {"id": "d1", "type": "checkbox", "checkbox": at % 2 == 0}
            properties["Notes"] = {"id": "n1", "type": "rich_text", "rich_text": _texts("not the title")}
        return {
            "object": "page", "id": _id("page", at), "created_time": _minute(created_ms), "parent": parent,
            "last_edited_time": _minute(updated_ms), "created_by": self._who(at), "last_edited_by": self._who(at + 1),
            "archived": at % 11 == 10, "in_trash": at % 11 == 10, "icon": None, "cover": None,
            "public_url": None if at % 4 else f"https://acme.notion.site/{at}",
            "properties": properties, "url": f"https://www.notion.so/{_id('page', at).replace('-', '')}",
        }  # fmt: skip

    def _block(self, page: Node, at: int, step: int) -> Node:
        kind = _KINDS[step % len(_KINDS)]
        content = (
            {} if kind == "divider" else {"rich_text": _texts(f"Line {step}", f" of page {at}"), "color": "default"}
        )
        return {
            "object": "block", "id": _id("block", page["id"], step), "type": kind, kind: content,
            "parent": {"type": "page_id", "page_id": page["id"]}, "has_children": False, "archived": False,
            "created_by": page["created_by"], "last_edited_by": page["last_edited_by"],
            "created_time": page["created_time"], "last_edited_time": page["last_edited_time"],
        }  # fmt: skip

    def _who(self, at: int) -> Node:
        return {"object": "user", "id": self.users[at % len(self.users)]["id"]}


def _id(kind: str, *key: object) -> str:
    return str(uuid.uuid5(_NAMESPACE, repr((kind, *key))))


def _texts(*pieces: str) -> list[Node]:
    return [{"type": "text", "text": {"content": each}, "plain_text": each, "annotations": {}} for each in pieces]


def _minute(epoch_ms: float) -> str | None:
    return iso(epoch_ms // 60_000 * 60_000, milliseconds=True)
