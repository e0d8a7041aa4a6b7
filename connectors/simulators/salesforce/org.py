"""The company's customers and sales as records of a Salesforce organization, built once. Pure.

On purpose: nulls everywhere they may be, names that differ in case alone, texts with quotes, backslashes, wildcards and
emoji, identifiers that differ in case alone, accounts without records and records without account, deleted records, an
inactive user, days before 1970 and in the far future, a formula with digits that it does not show.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from connectors.simulators.company import Company
from connectors.simulators.company.vocabulary import FIRST_NAMES, LAST_NAMES, body, seeded, title
from connectors.simulators.salesforce.identifiers import record_id
from connectors.simulators.salesforce.schema import Field, SObject

Record = dict[str, Any]
_STEMS = (
    "Northwind", "NORTHWIND", "northwind", "O'Hara & Sons", "Blue\\Green", "100% Organic_Foods", "Café Zürich",
    "Initech",
)  # fmt: skip
_SUFFIXES = ("", " GmbH", " Inc.", " 🚀", " Ltd", " S.A.", ' "Holding"')
_CITIES = ("Berlin", "Tokyo", "São Paulo", "berlin", "Zürich", "Austin")
_NULL_SHARE = 0.2
_DELETED_EVERY = 23


class Organization:
    """All records by the lower-case name of their object, in the order of their identifiers."""

    def __init__(self, company: Company, schema: dict[str, SObject], *, size: int) -> None:
        self._epoch = company.epoch
        self._schema = schema
        self._seed = size
        few, some = max(20, size // 5), max(20, size // 2)
        self.records: dict[str, list[Record]] = {}
        people = [person for person in company.people if not person.is_bot]
        self._fill("User", len(people), lambda at, _: {
            "Username": people[at].email, "LastName": people[at].name.split(" ")[-1],
            "FirstName": people[at].name.split(" ")[0], "Name": people[at].name, "Email": people[at].email,
            "Alias": people[at].login[:8], "IsActive": people[at].is_active,
            "ManagerId": None if at < 4 else self._id("User", at % 4),
        })  # fmt: skip
        self._fill("Account", few, lambda at, random: {
            "Name": f"{_STEMS[at % len(_STEMS)]}{_SUFFIXES[at // len(_STEMS) % len(_SUFFIXES)]}",
            "ParentId": self._id("Account", at // 3) if at % 5 == 4 else None,
            "ExternalKey__c": None if at % 6 == 5 else f"ERP-{at:05d}", "Health__c": None if at % 4 == 3 else at / 3,
            "Score__c": random.choice((None, -2.5, 0, 0.1, 1e6, 123456789.25, at)),
        })  # fmt: skip
        self._fill("Contact", 2 * few, lambda at, random: {
            **_person(random), "AccountId": self._some("Account", random),
            "ReportsToId": self._id("Contact", at // 2) if at % 7 == 6 else None,
        })  # fmt: skip
        self._fill("Lead", few, lambda at, random: {**_person(random), "IsConverted": at % 3 == 0})
        self._fill("Opportunity", size, lambda at, random: {
            "AccountId": self._some("Account", random), "Probability": random.choice((0, 10, 50, 90, 100)),
            "FiscalQuarter": at % 4 + 1, "FiscalYear": self._epoch.year - at % 3,
        })  # fmt: skip
        self._fill("Case", some, lambda at, random: {
            "CaseNumber": f"{at + 1000:08d}", "AccountId": self._some("Account", random),
            "ContactId": self._some("Contact", random), "ParentId": self._id("Case", at // 2) if at % 9 == 8 else None,
        })  # fmt: skip
        self._fill("Task", some, lambda at, random: {
            "WhoId": self._some("Contact" if at % 2 else "Lead", random),
            "WhatId": self._some("Account" if at % 3 else "Opportunity", random),
        })  # fmt: skip
        self._fill("Event", few, lambda _at, random: {"WhatId": self._some("Account", random)})
        self._fill("Campaign", few, lambda at, _: {"ParentId": self._id("Campaign", at // 2) if at % 4 == 3 else None})
        self._fill("OpportunityLineItem", few, lambda at, random: {
            "OpportunityId": self._id("Opportunity", at % few), "Quantity": random.choice((1, 2.5, 12)),
        })  # fmt: skip
        self._fill("Invoice__c", some, lambda at, random: {
            "Name": f"INV-{at:06d}", "Account__c": self._id("Account", at % few),
            "Opportunity__c": self._some("Opportunity", random), "Lines__c": at % 17, "Document__c": None,
        })  # fmt: skip

    def _fill(self, name: str, count: int, said: Callable[[int, Random], Record]) -> None:
        source = self._schema[name.lower()]
        random = seeded("salesforce", self._seed, name)
        self.records[name.lower()] = records = []
        for at in range(count):
            record = {"attributes": None, **self._record(source, at, random)}
            # What is said of a field that is hidden is not there either.
            record |= {key: value for key, value in said(at, random).items() if key.lower() in source.fields}
            record["Id"] = self._id(name, at)
            if "isdeleted" in source.fields:
                record["IsDeleted"] = at % _DELETED_EVERY == _DELETED_EVERY - 1
            for field in source.fields.values():
                if field.type == "address":
                    record[field.name] = _address(record, field.name.removesuffix("Address"))
            records.append(record)

    def _record(self, source: SObject, at: int, random: Random) -> Record:
        return {field.name: self._value(field, at, random) for field in source.fields.values()}

    def _value(self, field: Field, at: int, random: Random) -> Any:
        if field.nillable and random.random() < _NULL_SHARE:
            return None
        if field.name in {"OwnerId", "CreatedById", "LastModifiedById"}:
            return self._id("User", random.randrange(30))
        if field.name.endswith("City"):
            return random.choice(_CITIES)
        values = field.detail.split("|")
        made: dict[str, Callable[[], Any]] = {
            "string": lambda: _text(title(random)) or "untitled",
            "textarea": lambda: _text(body(random) or "") or None,
            "combobox": lambda: random.choice(values),
            "picklist": lambda: random.choice(values),
            "multipicklist": lambda: ";".join(sorted(random.sample(values, random.randint(1, len(values))))),
            "email": lambda: f"{random.choice(('Info', 'info', 'sales'))}{at}@customer{at % 9}.example",
            "phone": lambda: f"+49 30 {at % 97:04d}{random.randint(0, 9)}",
            "url": lambda: f"https://Customer{at % 11}.example/?a=1&b=%20{at}",
            "boolean": lambda: random.random() < 0.4,
            "int": lambda: random.choice((0, 7, at, 2_000_000_000, -3)),
            "double": lambda: round(random.uniform(-1000, 1000), 2),
            "currency": lambda: round(random.uniform(0, 500_000), 2),
            "percent": lambda: random.randint(0, 1000) / 10,
            "date": lambda: "1969-07-20" if at == 3 else "2999-12-31" if at == 4 else self._day(random).isoformat(),
            "datetime": lambda: _instant(self._moment(random)),
            "time": lambda: f"{at % 24:02d}:30:00.000Z",
            "location": lambda: {"latitude": 52.5, "longitude": 13.25 + at % 3},
        }
        return made[field.type]() if field.type in made else None

    def _day(self, random: Random) -> date:
        return (self._epoch + timedelta(days=random.randint(-400, 400))).date()

    def _moment(self, random: Random) -> datetime:
        return self._epoch - timedelta(days=random.randint(0, 700), seconds=random.randint(0, 86_400))

    def _id(self, name: str, number: int) -> str:
        return record_id(self._schema[name.lower()].key_prefix, number)

    def _some(self, name: str, random: Random) -> str | None:
        listed = self.records[name.lower()]
        # The last third of what is there has nothing that refers to it.
        return None if random.random() < _NULL_SHARE else str(random.choice(listed[: len(listed) * 2 // 3])["Id"])


def _person(random: Random) -> Record:
    first, last = random.choice((None, *FIRST_NAMES)), random.choice(LAST_NAMES)
    return {"FirstName": first, "LastName": last, "Name": " ".join(filter(None, (first, last)))}


def _address(record: Record, prefix: str) -> Record | None:
    names = ("Street", "City", "State", "PostalCode", "Country")
    parts = {name: record.get(f"{prefix}{name}") for name in names}
    if not any(parts.values()):
        return None
    return {f"{name[0].lower()}{name[1:]}": value for name, value in parts.items()}


def _text(text: str) -> str:
    # What is typed in is kept without the blanks around it.
    return text.strip()


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
