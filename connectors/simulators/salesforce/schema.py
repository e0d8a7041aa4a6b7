"""Objects and fields of the organization, with the properties that `describe` tells of them. Pure.

After the Object Reference: a line is a name, a type (`!`: never null) and what belongs to the type: the objects that a
reference leads to, the values of a picklist, `long` for a long text area, `formula` for a value that is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_BORN = """
CreatedDate datetime!
CreatedById reference! User
LastModifiedDate datetime!
LastModifiedById reference! User
SystemModstamp datetime!
"""
_OWNED = f"""
Id id!
IsDeleted boolean!
OwnerId reference! User
{_BORN}
"""
_PLACE = (
    "{0}Street textarea\n{0}City string\n{0}State string\n{0}PostalCode string\n{0}Country string\n{0}Address address"
)
_OBJECTS: dict[str, tuple[str, str, str]] = {
    "Account": ("001", "Account", f"""{_OWNED}
Name string!
Type picklist Prospect|Customer - Direct|Partner|Other
ParentId reference Account
Industry picklist Banking|Energy|Retail|retail|Technology
Phone phone
Website url
AnnualRevenue currency
NumberOfEmployees int
Description textarea long
{_PLACE.format('Billing')}
{_PLACE.format('Shipping')}
LastActivityDate date
Tier__c picklist Gold|Silver
Regions__c multipicklist AMER|APAC|EMEA|"North"
Score__c double
Health__c double formula
Contract_End__c date
ExternalKey__c string
Same_Name__c string
SameName__c string"""),
    "Contact": ("003", "Contact", f"""{_OWNED}
AccountId reference Account
LastName string!
FirstName string
Salutation picklist Mr.|Ms.|Dr.
Name string!
Email email
Phone phone
MobilePhone phone
Title string
Department string
LeadSource picklist Web|Referral
Birthdate date
ReportsToId reference Contact
{_PLACE.format('Mailing')}
Description textarea long
LastActivityDate date"""),
    "Lead": ("00Q", "Lead", f"""{_OWNED}
LastName string!
FirstName string
Name string!
Title string
Company string!
{_PLACE.format('')}
Phone phone
Email email
Website url
LeadSource picklist Web|Referral
Status picklist! Open - Not Contacted|Working|Closed - Converted
Industry picklist Banking|Retail
Rating picklist Hot|Warm|Cold
AnnualRevenue currency
NumberOfEmployees int
IsConverted boolean!
ConvertedDate date
ConvertedAccountId reference Account
ConvertedContactId reference Contact
ConvertedOpportunityId reference Opportunity
Description textarea long
LastActivityDate date"""),
    "Opportunity": ("006", "Opportunity", f"""{_OWNED}
AccountId reference Account
Name string!
StageName picklist! Prospecting|Negotiation|Closed Won|Closed Lost
Amount currency
Probability percent
ExpectedRevenue currency
CloseDate date!
Type picklist New Business|Renewal
NextStep string
LeadSource picklist Web|Referral
IsClosed boolean!
IsWon boolean!
ForecastCategory picklist! Pipeline|BestCase|Closed
CampaignId reference Campaign
FiscalQuarter int
FiscalYear int
Description textarea long
LastActivityDate date
Margin__c percent
Next_Review__c datetime"""),
    "Case": ("500", "Case", f"""{_OWNED}
CaseNumber string!
ContactId reference Contact
AccountId reference Account
ParentId reference Case
SuppliedName string
SuppliedEmail email
Type picklist Problem|Question
Status picklist New|Working|Closed
Reason picklist Installation|Performance
Origin picklist Phone|Web
Subject string
Priority picklist High|Medium|Low
Description textarea long
IsClosed boolean!
ClosedDate datetime
IsEscalated boolean!"""),
    "User": ("005", "User", f"""
Id id!
Username string!
LastName string!
FirstName string
Name string!
Email email!
Alias string!
Title string
Department string
IsActive boolean!
TimeZoneSidKey picklist! Europe/Berlin|Asia/Tokyo
LocaleSidKey picklist! en_US|de_DE
UserType picklist Standard|AutomatedProcess
UserRoleId reference UserRole
ProfileId reference Profile
ManagerId reference User
LastLoginDate datetime
{_BORN}"""),
    "Task": ("00T", "Task", f"""{_OWNED}
WhoId reference Contact|Lead
WhatId reference Account|Opportunity
Subject combobox Call|Email
ActivityDate date
Status picklist! Not Started|Completed
Priority picklist! High|Normal
IsHighPriority boolean!
AccountId reference Account
IsClosed boolean!
Description textarea long
TaskSubtype picklist Task|Call
CompletedDateTime datetime"""),
    "Event": ("00U", "Event", f"""{_OWNED}
WhoId reference Contact|Lead
WhatId reference Account|Opportunity
Subject combobox Call|Meeting
Location string
IsAllDayEvent boolean!
ActivityDateTime datetime
ActivityDate date
StartDateTime datetime
EndDateTime datetime
DurationInMinutes int
AccountId reference Account
IsPrivate boolean!
ShowAs picklist Busy|Free
Description textarea long"""),
    "Campaign": ("701", "Campaign", f"""{_OWNED}
Name string!
ParentId reference Campaign
Type picklist Email|Webinar
Status picklist Planned|In Progress|Completed
StartDate date
EndDate date
ExpectedRevenue currency
BudgetedCost currency
ActualCost currency
NumberSent double
IsActive boolean!
NumberOfLeads int!
NumberOfContacts int!
Description textarea long
LastActivityDate date"""),
    "OpportunityLineItem": ("00k", "Opportunity Product", f"""
Id id!
IsDeleted boolean!
{_BORN}
OpportunityId reference! Opportunity
PricebookEntryId reference PricebookEntry
Product2Id reference Product2
ProductCode string
Name string
Quantity double!
TotalPrice currency
UnitPrice currency
ListPrice currency
ServiceDate date
Description string"""),
    "Invoice__c": ("a00", "Invoice", f"""{_OWNED}
Name string!
Account__c reference! Account
Opportunity__c reference Opportunity
Total__c currency
Due__c date
Paid__c boolean!
Lines__c double
Note__c textarea long
Channels__c multipicklist Mail|Portal|Fax
SentAt__c datetime
Reminder_Time__c time
Document__c base64
Place__c location"""),
}  # fmt: skip
OTHERS = (("Contract", True), ("AccountChangeEvent", False), ("Old_Thing__c", False))
"""Objects that are listed and have no records here, and whether they can be queried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field."""

    name: str
    type: str
    nillable: bool
    detail: str = ""

    @property
    def filterable(self) -> bool:
        """Tell whether it may stand in WHERE."""
        return self.type not in {"address", "location", "base64", "time"} and self.detail != "long"

    @property
    def sortable(self) -> bool:
        """Tell whether it may stand in ORDER BY."""
        return self.filterable and self.type != "multipicklist"

    def describe(self) -> dict[str, Any]:
        """Return what `describe` says of it, as far as it differs between fields here."""
        listed = self.detail.split("|") if self.detail else []
        is_choice = self.type in {"picklist", "multipicklist", "combobox"}
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "nillable": self.nillable,
            "filterable": self.filterable,
            "sortable": self.sortable,
            "groupable": self.sortable and self.type not in {"double", "currency", "percent", "datetime"},
            "aggregatable": self.filterable,
            "calculated": self.detail == "formula",
            "custom": self.name.endswith("__c"),
            "caseSensitive": False,
            "idLookup": self.name in {"Id", "Name", "Email"},
            "externalId": self.name == "ExternalKey__c",
            "unique": self.name == "ExternalKey__c",
            "length": {"string": 255, "id": 18, "reference": 18}.get(self.type, 32000 if self.detail == "long" else 0),
            "referenceTo": listed if self.type == "reference" else [],
            "relationshipName": _relationship(self.name) if self.type == "reference" else None,
            "picklistValues": [{"value": each, "label": each, "active": True} for each in listed if is_choice],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SObject:
    """One object with its fields by lower-case name."""

    name: str
    key_prefix: str
    label: str
    fields: dict[str, Field]

    def summary(self) -> dict[str, Any]:
        """Return what the list of all objects says of it."""
        return listed(self.name, self.label, queryable=True, key_prefix=self.key_prefix)

    def describe(self) -> dict[str, Any]:
        """Return the answer of `describe`."""
        return {**self.summary(), "fields": [field.describe() for field in self.fields.values()]}


def listed(name: str, label: str, *, queryable: bool, key_prefix: str | None = None) -> dict[str, Any]:
    """Return what the list of all objects says of one."""
    return {
        "name": name,
        "label": label,
        "keyPrefix": key_prefix,
        "custom": name.endswith("__c"),
        "queryable": queryable,
        "deprecatedAndHidden": name == "Old_Thing__c",
        "urls": {"describe": f"/services/data/v66.0/sobjects/{name}/describe"},
    }


def schema(hidden: frozenset[str] = frozenset()) -> dict[str, SObject]:
    """Return the objects by lower-case name, without the hidden fields, written like `Account.Phone`."""
    return {
        name.lower(): SObject(
            name=name,
            key_prefix=prefix,
            label=label,
            fields={
                field.name.lower(): field
                for field in map(_field, filter(None, text.split("\n")))
                if f"{name}.{field.name}" not in hidden
            },
        )
        for name, (prefix, label, text) in _OBJECTS.items()
    }


def _field(line: str) -> Field:
    name, kind, *rest = line.split(" ", 2)
    return Field(name=name, type=kind.rstrip("!"), nillable=not kind.endswith("!"), detail=rest[0] if rest else "")


def _relationship(name: str) -> str:
    return f"{name[:-1]}r" if name.endswith("__c") else name.removesuffix("Id")
