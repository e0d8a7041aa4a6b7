"""The company as a HubSpot portal: CRM objects whose properties are all texts, built once. Pure.

On purpose: properties that are null, empty or absent, names that differ in case only, amounts with and without
decimals, closed deals without an amount, two owners without a user.
"""

from __future__ import annotations

from connectors.simulators.company import Company
from connectors.simulators.company.model import TrackerIssue
from connectors.simulators.plain_rest import Node, iso, made_number

_STAGES = ("subscriber", "lead", "marketingqualifiedlead", "customer", "opportunity")
_DEAL_STAGES = ("appointmentscheduled", "qualifiedtobuy", "contractsent", "closedwon", "closedlost")
_PRIORITIES = ("HIGH", "MEDIUM", "LOW", None)


class Portal:
    """All objects of a portal, by the last part of their path."""

    def __init__(self, company: Company) -> None:
        start_ms = company.epoch.timestamp() * 1000 - 700 * 86_400_000
        people = [person for person in company.people if not person.is_bot]
        self.owners: list[Node] = [
            {"id": str(made_number("owner", person.login, digits=9)), "email": person.email, "type": "PERSON",
             "firstName": person.name.split()[0], "lastName": person.name.split()[-1], "archived": False,
             "userId": None if at in {4, 9} else made_number("user", person.login, digits=8),
             "createdAt": iso(start_ms + at * 1000 + 7, milliseconds=True),
             "updatedAt": iso(start_ms + at * 9000 + 7, milliseconds=True)}
            for at, person in enumerate(people)
        ]  # fmt: skip
        self.objects = self._objects(company, start_ms)
        self.pipelines: list[Node] = [
            {"id": "default", "label": "Sales", "displayOrder": 0, "archived": False,
             "createdAt": iso(start_ms), "updatedAt": iso(start_ms),
             "stages": [{"id": stage, "label": stage.title(), "displayOrder": at, "archived": False}
                        for at, stage in enumerate(_DEAL_STAGES)]},
            {"id": "renewals", "label": "Renewals", "displayOrder": 1, "archived": False,
             "createdAt": iso(start_ms), "updatedAt": iso(start_ms), "stages": []},
        ]  # fmt: skip

    def _objects(self, company: Company, start_ms: float) -> dict[str, list[Node]]:
        issues = list(company.tracker.issues())
        return {
            "companies": [self._object("company", at, start_ms, self._company(at)) for at in range(30)],
            "contacts": [
                self._object("contact", at, start_ms, self._contact(at, issue)) for at, issue in enumerate(issues)
            ],
            "0-3": [self._object("deal", at, start_ms, self._deal(at, issue)) for at, issue in enumerate(issues)],
            "tickets": [
                self._object("ticket", at, start_ms, self._ticket(at, issue)) for at, issue in enumerate(issues)
            ],
        }

    def _company(self, at: int) -> Node:
        return {
            "name": ("Globex", "globex", "Initech")[at % 3] + (f" {at}" if at > 2 else ""),
            "domain": f"customer{at}.example", "industry": "COMPUTER_SOFTWARE" if at % 2 else None,
            "city": "" if at % 4 == 3 else "Berlin", "country": "Germany", "phone": f"+49 30 {at}" if at % 3 else None,
            "numberofemployees": str(at * 10) if at % 3 else None, "lifecyclestage": _STAGES[at % 5],
            "annualrevenue": f"{at * 1000}.50" if at % 2 else None, "hubspot_owner_id": self._owner(at),
        }  # fmt: skip

    def _contact(self, at: int, issue: TrackerIssue) -> Node:
        return {
            "email": f"{issue.key.lower()}@customer{at % 30}.example", "firstname": ("Ana", "ana", "Bo")[at % 3],
            "lastname": issue.summary.split()[0], "phone": "" if at % 2 else "+49 30 1234",
            "company": f"Customer {at % 30}" if at % 2 else None,
            "jobtitle": None if at % 3 else "Buyer", "lifecyclestage": _STAGES[at % 5],
            "hs_lead_status": "OPEN" if at % 4 == 0 else None,
            "hubspot_owner_id": self._owner(at),
        }  # fmt: skip

    def _deal(self, at: int, issue: TrackerIssue) -> Node:
        cents = ".25" if at % 2 else ""
        return {
            "dealname": issue.summary, "amount": None if at % 5 == 4 else f"{at * 100}{cents}",
            "dealstage": _DEAL_STAGES[at % 5], "pipeline": "default", "dealtype": "newbusiness",
            "closedate": iso(issue.updated_ms, milliseconds=True) if at % 3 else None,
            "hubspot_owner_id": self._owner(at),
        }  # fmt: skip

    def _ticket(self, at: int, issue: TrackerIssue) -> Node:
        return {
            "subject": issue.summary, "content": issue.description, "hs_pipeline": "0",
            "hs_pipeline_stage": str(1 + at % 4), "hs_ticket_priority": _PRIORITIES[at % 4],
            "source_type": "EMAIL" if at % 2 else "CHAT", "hubspot_owner_id": self._owner(at),
        }  # fmt: skip

    def _owner(self, at: int) -> str | None:
        return self.owners[at % 7]["id"] if at % 4 else None

    def _object(self, kind: str, at: int, start_ms: float, properties: Node) -> Node:
        created = iso(start_ms + at * 7_000_333, milliseconds=True)
        modified = iso(start_ms + at * 7_900_777, milliseconds=True)
        number = str(made_number(kind, at, digits=11))
        changed = "lastmodifieddate" if kind == "contact" else "hs_lastmodifieddate"
        held = {**properties, "hs_object_id": number, "createdate": created, changed: modified}
        return {"id": number, "properties": held, "createdAt": created, "updatedAt": modified, "archived": False}
