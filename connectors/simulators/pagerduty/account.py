"""The company as a PagerDuty account: objects as the API reference shows them, built once. Pure.

On purpose: incidents over two years and older than any default range, some without priority or assignee, times of
services and notes with an offset instead of Z, names that differ in case only, on-calls without a schedule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connectors.simulators.company import Company
from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.plain_rest import Node, iso, made_id

_STATUSES = ("resolved", "resolved", "acknowledged", "triggered")
_PRIORITIES = ("P1", "P2", "P3", "P4", "P5")


class Account:
    """All objects of an account, by the name of their listing."""

    def __init__(self, company: Company) -> None:
        people = [person for person in company.people if not person.is_bot]
        self.priorities: list[Node] = [
            {"id": made_id("priority", name), "type": "priority", "summary": name, "name": name,
             "description": f"Priority {name}"}
            for name in _PRIORITIES
        ]  # fmt: skip
        self.teams: list[Node] = [
            {"id": made_id("team", team.name), "type": "team", "summary": team.title, "name": team.title,
             "description": None if at == 2 else f"Team {team.title}",
             "html_url": f"https://acme.pagerduty.com/teams/{made_id('team', team.name)}"}
            for at, team in enumerate(company.teams)
        ]  # fmt: skip
        teams = {team.name: node for team, node in zip(company.teams, self.teams, strict=True)}
        self.users: list[Node] = [
            {"id": made_id("user", person.login), "type": "user", "summary": person.name, "name": person.name,
             "email": person.email, "time_zone": person.time_zone, "color": "green",
             "job_title": "Engineer" if at % 3 else None,
             "role": "admin" if person.is_admin else "user", "description": "On leave" if at % 7 == 6 else None,
             "invitation_sent": False,
             "html_url": f"https://acme.pagerduty.com/users/{made_id('user', person.login)}",
             "teams": [_reference(teams[person.team])]}
            for at, person in enumerate(people)
        ]  # fmt: skip
        self.schedules: list[Node] = [
            {"id": made_id("schedule", team["id"]), "type": "schedule", "summary": f"{team['name']} rotation",
             "name": f"{team['name']} rotation", "time_zone": "Europe/Berlin", "description": None if at else "Weekly",
             "html_url": f"https://acme.pagerduty.com/schedules/{made_id('schedule', team['id'])}",
             "teams": [_reference(team)],
             "users": [_reference(user) for user in self.users if user["teams"][0]["id"] == team["id"]][:3]}
            for at, team in enumerate(self.teams)
        ]  # fmt: skip
        self.escalation_policies: list[Node] = [
            {"id": made_id("policy", team["id"]), "type": "escalation_policy", "summary": f"{team['name']} policy",
             "name": f"{team['name']} policy", "num_loops": at, "description": None if at else "For the night",
             "on_call_handoff_notifications": "if_has_services", "teams": [_reference(team)],
             "escalation_rules": [{"id": made_id("rule", team["id"]), "escalation_delay_in_minutes": 30,
                                   "targets": [_reference(self.schedules[at])]}]}
            for at, team in enumerate(self.teams)
        ]  # fmt: skip
        self.services = [self._service(at) for at in range(9)]
        self.oncalls = self._oncalls(company)
        self.incidents: list[Node] = []
        self.log_entries: list[Node] = []
        self.alerts: dict[str, list[Node]] = {}
        self.notes: dict[str, list[Node]] = {}
        for at, issue in enumerate(company.tracker.issues()):
            self._incident(at, issue)

    def _service(self, at: int) -> Node:
        team = self.teams[at % len(self.teams)]
        name = ("Checkout", "checkout", "Search")[at % 3] + (f" {at}" if at > 2 else "")
        found = {"id": made_id("service", at), "type": "service", "summary": name, "name": name,
                 "description": None if at % 2 else "Serves customers", "status": ("active", "warning")[at % 2],
                 "created_at": f"2023-0{at + 1}-06T11:12:51-05:00", "auto_resolve_timeout": 14400 if at % 2 else None,
                 "acknowledgement_timeout": 600, "alert_creation": "create_alerts_and_incidents",
                 "last_incident_timestamp": None if at % 3 else "2025-12-30T10:00:00Z",
                 "escalation_policy": _reference(self.escalation_policies[at % len(self.teams)]),
                 "teams": [_reference(team)]}  # fmt: skip
        return {**found, "html_url": f"https://acme.pagerduty.com/service-directory/{found['id']}"}

    def _oncalls(self, company: Company) -> list[Node]:
        found: list[Node] = []
        for at, policy in enumerate(self.escalation_policies):
            for level, user in enumerate(self.schedules[at]["users"], start=1):
                start = None if level == 3 else iso(company.epoch.timestamp() * 1000 - level * 3_600_000)
                found.append(
                    {"user": user, "schedule": _reference(self.schedules[at]) if level < 3 else None,
                     "escalation_policy": _reference(policy), "escalation_level": level, "start": start,
                     "end": None if start is None else iso((company.epoch + timedelta(hours=9)).timestamp() * 1000)}
                )  # fmt: skip
        return found

    def _incident(self, at: int, issue: TrackerIssue) -> None:
        status = _STATUSES[at % len(_STATUSES)]
        service = self.services[at % len(self.services)]
        user = self.users[at % len(self.users)]
        found: Node = {
            "id": made_id("incident", issue.key, length=14, start="Q"), "type": "incident", "incident_number": at + 1,
            "title": issue.summary, "summary": f"[#{at + 1}] {issue.summary}", "status": status,
            "urgency": "low" if at % 3 == 0 else "high", "created_at": iso(issue.created_ms),
            "updated_at": iso(issue.updated_ms), "incident_key": issue.key, "service": _reference(service),
            "assignments": [] if status == "resolved" else [
                {"at": iso(issue.created_ms), "assignee": _reference(user)}],
            "last_status_change_at": iso(issue.updated_ms),
            "resolve_reason": {"type": "merge_resolve_reason"} if at % 8 == 1 else None,
            "resolved_at": iso(issue.updated_ms) if status == "resolved" else None,
            "escalation_policy": service["escalation_policy"], "teams": service["teams"],
            "priority": self.priorities[at % 5] if at % 4 else None,
            "alert_counts": {"all": 2, "triggered": 0 if status == "resolved" else 2,
                             "resolved": 2 if status == "resolved" else 0},
        }  # fmt: skip
        found["html_url"] = f"https://acme.pagerduty.com/incidents/{found['id']}"
        self.incidents.append(found)
        self.alerts[found["id"]] = [self._alert(found, number) for number in range(2)]
        self.notes[found["id"]] = [
            {"id": made_id("note", found["id"], number), "user": _reference(user),
             "content": f"Note {number} on {issue.key}", "created_at": "2024-03-06T15:28:51-05:00"}
            for number in range(at % 3)
        ]  # fmt: skip
        kinds = ("trigger", "acknowledge", "resolve") if status == "resolved" else ("trigger", "assign")
        for step, kind in enumerate(kinds):
            self.log_entries.append(
                {"id": made_id("log", found["id"], kind, length=14, start="R"), "type": f"{kind}_log_entry",
                 "summary": f"{kind} by {user['name']}", "created_at": iso(issue.created_ms + step * 60_000),
                 "agent": _reference(user), "channel": {"type": "api"}, "service": _reference(service),
                 "incident": {"id": found["id"], "type": "incident_reference", "summary": found["summary"]},
                 "teams": service["teams"]}
            )  # fmt: skip

    def _alert(self, incident: Node, number: int) -> Node:
        is_resolved = incident["status"] == "resolved"
        return {
            "id": made_id("alert", incident["id"], number, length=14, start="R"), "type": "alert",
            "summary": incident["title"], "created_at": incident["created_at"],
            "status": "resolved" if is_resolved else "triggered", "alert_key": f"{incident['incident_key']}-{number}",
            "severity": ("critical", "info")[number], "suppressed": False, "service": incident["service"],
            "incident": {"id": incident["id"], "type": "incident_reference"},
        }  # fmt: skip


def _reference(node: Node) -> dict[str, Any]:
    return {
        "id": node["id"],
        "type": f"{node['type'].removesuffix('_reference')}_reference",
        "summary": node["summary"],
    }
