"""The company as a Zendesk account: objects as the API reference shows them, built once. Pure.

On purpose: subjects with quotes and other scripts, tickets without assignee, group, priority or due date, tags in two
spellings, a suspended user, ratings of a part of the tickets, metrics only of tickets that somebody took.
"""

from __future__ import annotations

from connectors.simulators.company import Company
from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.plain_rest import Node, iso, made_number

_STATUSES = ("open", "pending", "solved", "closed", "new", "hold")
_PRIORITIES = ("low", "normal", "high", "urgent", None)
_TYPES = ("incident", "problem", "question", "task", None)
_TAGS = ("billing", "Billing", "vip", "mobile_app", "refund")
_CHANNELS = ("email", "web", "api")


class Desk:
    """All objects of an account, by the name of their listing."""

    def __init__(self, company: Company) -> None:
        start_ms = company.epoch.timestamp() * 1000 - 900 * 86_400_000
        self.groups: list[Node] = [
            {"id": made_number("group", team.name), "name": team.title, "description": "", "default": at == 0,
             "deleted": False, "is_public": True, "created_at": iso(start_ms), "updated_at": iso(start_ms + at)}
            for at, team in enumerate(company.teams)
        ]  # fmt: skip
        self.organizations: list[Node] = [
            {"id": made_number("organization", at), "name": f"Customer {at}",
             "details": "Pays late" if at % 5 == 0 else None,
             "notes": "Key account" if at % 6 == 0 else None,
             "domain_names": [f"customer{at}.example"], "tags": [_TAGS[at % 5]],
             "group_id": self.groups[at % 4]["id"] if at % 2 else None,
             "external_id": None if at % 3 else f"crm-{at}", "shared_tickets": at % 2 == 0,
             "created_at": iso(start_ms + at * 86_400_000), "updated_at": iso(start_ms + at * 90_000_000)}
            for at in range(25)
        ]  # fmt: skip
        self.users = self._users(company, start_ms)
        agents = [user for user in self.users if user["role"] != "end-user"]
        customers = [user for user in self.users if user["role"] == "end-user"]
        self.group_memberships: list[Node] = [
            {"id": made_number("membership", user["id"]), "user_id": user["id"],
             "group_id": self.groups[at % 4]["id"], "default": True,
             "created_at": user["created_at"], "updated_at": user["updated_at"]}
            for at, user in enumerate(agents)
        ]  # fmt: skip
        self.ticket_fields: list[Node] = [
            {"id": made_number("field", name), "type": kind, "title": name, "raw_title": name, "active": True,
             "required": False, "position": at, "removable": at > 4, "description": "",
             "created_at": iso(start_ms), "updated_at": iso(start_ms)}
            for at, (name, kind) in enumerate(
                (("Subject", "subject"), ("Description", "description"), ("Status", "status"), ("Type", "tickettype"),
                 ("Priority", "priority"), ("Order number", "text"), ("Amount", "decimal"), ("Region", "tagger"))
            )
        ]  # fmt: skip
        self.tickets: list[Node] = []
        self.comments: dict[int, list[Node]] = {}
        self.audits: dict[int, list[Node]] = {}
        self.ticket_metrics: list[Node] = []
        self.satisfaction_ratings: list[Node] = []
        for at, issue in enumerate(company.tracker.issues()):
            self._ticket(at, issue, customers[at % len(customers)], agents[at % len(agents)] if at % 4 else None)

    def _users(self, company: Company, start_ms: float) -> list[Node]:
        people = [person for person in company.people if not person.is_bot]
        return [
            {"id": made_number("user", person.login), "name": person.name, "email": person.email,
             "role": "admin" if at == 0 else ("agent" if at < 12 else "end-user"), "active": True, "verified": True,
             "suspended": not person.is_active, "time_zone": "Berlin", "iana_time_zone": "Europe/Berlin",
             "locale": "en-US", "phone": "+49 30 99" if at % 8 == 0 else None,
             "tags": [_TAGS[at % 5]] if at % 2 else [],
             "external_id": f"hr-{at}" if at % 3 == 0 else None,
             "organization_id": self.organizations[at % 25]["id"] if at >= 12 else None,
             "created_at": iso(start_ms + at * 3_600_000), "updated_at": iso(start_ms + at * 7_200_000),
             "last_login_at": None if at % 5 == 4 else iso(start_ms + at * 86_400_000)}
            for at, person in enumerate(people)
        ]  # fmt: skip

    def _ticket(self, at: int, issue: TrackerIssue, requester: Node, assignee: Node | None) -> None:
        number = at + 1
        self.tickets.append(
            {"id": number, "subject": issue.summary, "raw_subject": issue.summary,
             "description": issue.description or issue.summary, "status": _STATUSES[at % 6],
             "priority": _PRIORITIES[at % 5], "type": _TYPES[(at // 2) % 5], "requester_id": requester["id"],
             "submitter_id": requester["id"], "assignee_id": assignee["id"] if assignee else None,
             "group_id": self.groups[at % 4]["id"] if at % 7 else None,
             "organization_id": requester["organization_id"], "brand_id": 360000000001,
             "ticket_form_id": 360000000777 if at % 3 else None,
             "tags": sorted({_TAGS[at % 5], _TAGS[(at + 2) % 5]}) if at % 6 else [],
             "via": {"channel": _CHANNELS[at % 3]}, "external_id": issue.key if at % 2 else None,
             "is_public": at % 9 != 8, "has_incidents": False,
             "problem_id": 1 if _TYPES[(at // 2) % 5] == "incident" and at else None,
             "due_at": iso(issue.updated_ms + 86_400_000) if _TYPES[(at // 2) % 5] == "task" else None,
             "satisfaction_rating": {"score": "unoffered"}, "custom_fields": [],
             "created_at": iso(issue.created_ms), "updated_at": iso(issue.updated_ms),
             "generated_timestamp": issue.updated_ms // 1000 + (at % 5) * 3600,
             "url": f"https://acme.zendesk.com/api/v2/tickets/{number}.json"}
        )  # fmt: skip
        self.comments[number] = [
            {"id": made_number("comment", number, step), "type": "Comment", "author_id": requester["id"],
             "body": f"Comment {step} on {issue.key}", "plain_body": f"Comment {step} on {issue.key}",
             "public": step % 3 != 2, "via": {"channel": "email"},
             "created_at": iso(issue.created_ms + step * 60_000)}
            for step in range(1 + at % 4 if at != 2 else 130)
        ]  # fmt: skip
        self.audits[number] = [
            {"id": made_number("audit", number, step), "ticket_id": number, "author_id": requester["id"],
             "via": {"channel": _CHANNELS[step % 3]}, "metadata": {"system": {"client": "simulated"}},
             "events": [{"id": made_number("event", number, step), "type": "Change", "field_name": "status",
                         "value": _STATUSES[step % 6], "previous_value": _STATUSES[(step + 5) % 6]}],
             "created_at": iso(issue.created_ms + step * 90_000)}
            for step in range(1 + at % 3 if at != 2 else 130)
        ]  # fmt: skip
        if assignee:
            self.ticket_metrics.append(
                {"id": made_number("metric", number), "ticket_id": number, "reopens": at % 3, "replies": at % 5,
                 "group_stations": 1, "assignee_stations": 1 + at % 2,
                 "reply_time_in_minutes": {"calendar": at * 3, "business": at},
                 "full_resolution_time_in_minutes": {"calendar": at * 9 if at % 6 == 2 else None, "business": None},
                 "assigned_at": iso(issue.created_ms), "solved_at": None if at % 6 != 2 else iso(issue.updated_ms),
                 "created_at": iso(issue.created_ms), "updated_at": iso(issue.updated_ms)}
            )  # fmt: skip
        if at % 3 == 0:
            score = ("good", "bad", "offered")[at % 9 // 3]
            self.satisfaction_ratings.append(
                {"id": made_number("rating", number), "ticket_id": number, "score": score,
                 "comment": "Quick!" if score == "good" else None, "requester_id": requester["id"],
                 "assignee_id": assignee["id"] if assignee else None,
                 "group_id": self.groups[at % 4]["id"] if at % 2 else None,
                 "created_at": iso(issue.created_ms), "updated_at": iso(issue.updated_ms)}
            )  # fmt: skip
