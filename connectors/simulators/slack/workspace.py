"""The company as a Slack workspace: objects as the method pages show them, built once. Pure.

On purpose: an archived and a private channel, a channel without messages, messages of bots and with threads, times with
microseconds as texts, a deactivated user, users without an email address.
"""

from __future__ import annotations

from connectors.simulators.company import Company
from connectors.simulators.plain_rest import Node, made_id

_TEXTS = (
    "deploy is done",
    "who is on call?",
    "Robert'); DROP TABLE messages;--",
    "<@U1> see *this*",
    "café — 日本語 🚀",
)
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"


class Workspace:
    """All objects of a workspace."""

    def __init__(self, company: Company) -> None:
        self._epoch_s = int(company.epoch.timestamp())
        people = [person for person in company.people if not person.is_bot]
        self.users: list[Node] = [
            {"id": _id("user", person.login, start="U"), "team_id": "T0ACME000", "name": person.login,
             "deleted": not person.is_active, "real_name": person.name, "tz": person.time_zone, "tz_offset": 3600,
             "is_admin": person.is_admin, "is_owner": at == 0, "is_bot": False, "is_app_user": False,
             "updated": self._epoch_s - at * 86_400,
             "profile": {"display_name": person.name.split()[0], "title": "" if at % 2 else "Engineer",
                         **({"email": person.email} if at % 5 else {})}}
            for at, person in enumerate(people)
        ]  # fmt: skip
        names = ["general", "random", "incidents", *(f"team-{team.name}" for team in company.teams), "old", "private"]
        self.channels: list[Node] = [
            {"id": _id("channel", name, start="C"), "name": name, "is_channel": True, "is_group": name == "private",
             "is_private": name == "private", "is_archived": name == "old", "is_general": name == "general",
             "is_member": name != "old", "is_shared": False, "created": self._epoch_s - 400 * 86_400 + at,
             "creator": self.users[at]["id"], "topic": {"value": "" if at % 2 else f"About {name}"},
             "purpose": {"value": f"Talk of {name}"}, "num_members": 5 + at}
            for at, name in enumerate(names)
        ]  # fmt: skip
        self.members = {
            channel["id"]: [user["id"] for user in self.users[at : at + 5 + at]]
            for at, channel in enumerate(self.channels)
        }
        self.messages: dict[str, list[Node]] = {channel["id"]: [] for channel in self.channels}
        self.replies: dict[tuple[str, str], list[Node]] = {}
        count = company.issues
        for at in range(count):
            channel = self.channels[0 if at % 2 else at % (len(self.channels) - 1)]
            self._message(channel["id"], at)
        self.usergroups: list[Node] = [
            {"id": _id("group", team.name, start="S"), "team_id": "T0ACME000", "name": team.title, "handle": team.name,
             "description": "", "is_external": False, "date_create": self._epoch_s - 100_000,
             "date_update": self._epoch_s - at, "date_delete": 0 if at else self._epoch_s - 50,
             "created_by": self.users[0]["id"], "user_count": 10}
            for at, team in enumerate(company.teams)
        ]  # fmt: skip
        self.files: list[Node] = [
            {"id": _id("file", at, start="F"), "created": self._epoch_s - at * 7_200, "name": f"report {at}.pdf",
             "title": f"Report {at}", "mimetype": "application/pdf", "filetype": "pdf", "size": 1000 + at,
             "user": self.users[at % 7]["id"], "is_public": at % 4 != 0, "permalink": f"https://acme.slack.com/files/{at}",
             "channels": [self.channels[at % 3]["id"]]}
            for at in range(45)
        ]  # fmt: skip

    def _message(self, channel: str, at: int) -> None:
        ts = f"{self._epoch_s - at * 5_400}.{(at * 7919) % 1_000_000:06d}"
        user = self.users[at % len(self.users)]["id"]
        found: Node = {"type": "message", "ts": ts, "text": _TEXTS[at % len(_TEXTS)], "team": "T0ACME000"}
        found |= {"bot_id": "B0BOT0000", "subtype": "bot_message"} if at % 9 == 8 else {"user": user}
        if at % 4 == 0:
            replies = [self._reply(ts, at, step) for step in range(1 + at % 3)]
            found |= {"thread_ts": ts, "reply_count": len(replies), "reply_users_count": 1,
                      "latest_reply": replies[-1]["ts"]}  # fmt: skip
            self.replies[channel, ts] = [found, *replies]
        if at % 6 == 0:
            found["reactions"] = [{"name": "tada", "count": 1, "users": [user]}]
        if at % 13 == 0:
            found["files"] = [{"id": "F0FILE000", "name": "report.pdf"}]
        if at % 11 == 0:
            found["edited"] = {"user": user, "ts": f"{self._epoch_s - at * 5_400 + 60}.000000"}
        self.messages[channel].append(found)

    def _reply(self, ts: str, at: int, step: int) -> Node:
        seconds = int(ts.partition(".")[0]) + 60 * (step + 1)
        reactions = {"reactions": [{"name": "eyes", "count": 1, "users": []}]} if step == 0 else {}
        return {**reactions, "type": "message", "ts": f"{seconds}.{step:06d}", "thread_ts": ts, "text": f"reply {step}",
                "user": self.users[(at + step) % len(self.users)]["id"], "team": "T0ACME000"}  # fmt: skip


def _id(kind: str, *key: object, start: str) -> str:
    return made_id(kind, *key, length=9, start=start, alphabet=_ALPHABET)
