"""The standard objects as they are in every organization, in the words of `describe`: what is known before it is asked.

After the Object Reference for Salesforce and Lightning Platform, API 66.0. Pure.
"""

from __future__ import annotations

from connectors.salesforce.objects import STANDARD, ObjectModel, object_model, table_names

_UNSORTED = frozenset({"textarea", "multipicklist", "address", "location", "base64"})
_UNFILTERED = frozenset({"address", "location", "base64", "textarea"})
_KNOWN_BY = frozenset({"CaseNumber", "Username"})

_BORN = (
    "CreatedDate datetime!", "CreatedById reference!", "LastModifiedDate datetime!", "LastModifiedById reference!",
    "SystemModstamp datetime!",
)  # fmt: skip
_OWNED = ("Id id!", "IsDeleted boolean!", "OwnerId reference!", *_BORN)
_FIELDS: dict[str, tuple[str, ...]] = {
    "Account": (
        *_OWNED, "Name string!", "Type picklist", "ParentId reference", "Industry picklist", "Phone phone",
        "Website url", "AnnualRevenue currency", "NumberOfEmployees int", "Description textarea",
        "BillingStreet textarea", "BillingCity string", "BillingState string", "BillingPostalCode string",
        "BillingCountry string", "BillingAddress address", "ShippingStreet textarea", "ShippingCity string",
        "ShippingState string", "ShippingPostalCode string", "ShippingCountry string", "ShippingAddress address",
        "LastActivityDate date",
    ),
    "Contact": (
        *_OWNED, "AccountId reference", "LastName string!", "FirstName string", "Salutation picklist", "Name string!",
        "Email email", "Phone phone", "MobilePhone phone", "Title string", "Department string", "LeadSource picklist",
        "Birthdate date", "ReportsToId reference", "MailingStreet textarea", "MailingCity string",
        "MailingState string", "MailingPostalCode string", "MailingCountry string", "MailingAddress address",
        "Description textarea", "LastActivityDate date",
    ),
    "Lead": (
        *_OWNED, "LastName string!", "FirstName string", "Name string!", "Title string", "Company string!",
        "Street textarea", "City string", "State string", "PostalCode string", "Country string", "Address address",
        "Phone phone", "Email email", "Website url", "LeadSource picklist", "Status picklist!", "Industry picklist",
        "Rating picklist", "AnnualRevenue currency", "NumberOfEmployees int", "IsConverted boolean!",
        "ConvertedDate date", "ConvertedAccountId reference", "ConvertedContactId reference",
        "ConvertedOpportunityId reference", "Description textarea", "LastActivityDate date",
    ),
    "Opportunity": (
        *_OWNED, "AccountId reference", "Name string!", "StageName picklist!", "Amount currency", "Probability percent",
        "ExpectedRevenue currency", "CloseDate date!", "Type picklist", "NextStep string", "LeadSource picklist",
        "IsClosed boolean!", "IsWon boolean!", "ForecastCategory picklist!", "CampaignId reference",
        "FiscalQuarter int", "FiscalYear int", "Description textarea", "LastActivityDate date",
    ),
    "Case": (
        *_OWNED, "CaseNumber string!", "ContactId reference", "AccountId reference", "ParentId reference",
        "SuppliedName string", "SuppliedEmail email", "Type picklist", "Status picklist", "Reason picklist",
        "Origin picklist", "Subject string", "Priority picklist", "Description textarea", "IsClosed boolean!",
        "ClosedDate datetime", "IsEscalated boolean!",
    ),
    "User": (
        "Id id!", "Username string!", "LastName string!", "FirstName string", "Name string!", "Email email!",
        "Alias string!", "Title string", "Department string", "IsActive boolean!", "TimeZoneSidKey picklist!",
        "LocaleSidKey picklist!", "UserType picklist", "UserRoleId reference", "ProfileId reference",
        "ManagerId reference", "LastLoginDate datetime", *_BORN,
    ),
    "Task": (
        *_OWNED, "WhoId reference", "WhatId reference", "Subject combobox", "ActivityDate date", "Status picklist!",
        "Priority picklist!", "IsHighPriority boolean!", "AccountId reference", "IsClosed boolean!",
        "Description textarea", "TaskSubtype picklist", "CompletedDateTime datetime",
    ),
    "Event": (
        *_OWNED, "WhoId reference", "WhatId reference", "Subject combobox", "Location string", "IsAllDayEvent boolean!",
        "ActivityDateTime datetime", "ActivityDate date", "StartDateTime datetime", "EndDateTime datetime",
        "DurationInMinutes int", "AccountId reference", "IsPrivate boolean!", "ShowAs picklist",
        "Description textarea",
    ),
    "Campaign": (
        *_OWNED, "Name string!", "ParentId reference", "Type picklist", "Status picklist", "StartDate date",
        "EndDate date", "ExpectedRevenue currency", "BudgetedCost currency", "ActualCost currency",
        "NumberSent double", "IsActive boolean!", "NumberOfLeads int!", "NumberOfContacts int!",
        "Description textarea", "LastActivityDate date",
    ),
    "OpportunityLineItem": (
        "Id id!", "IsDeleted boolean!", *_BORN, "OpportunityId reference!", "PricebookEntryId reference",
        "Product2Id reference", "ProductCode string", "Name string", "Quantity double!", "TotalPrice currency",
        "UnitPrice currency", "ListPrice currency", "ServiceDate date", "Description string",
    ),
}  # fmt: skip


def _described(name: str) -> dict[str, object]:
    fields = []
    for text in _FIELDS[name]:
        field, kind = text.split()
        plain = kind.rstrip("!")
        fields.append(
            {
                "name": field,
                "type": plain,
                "nillable": not kind.endswith("!"),
                "filterable": plain not in _UNFILTERED,
                "sortable": plain not in _UNSORTED,
                "idLookup": field in _KNOWN_BY,
            }
        )
    return {"name": name, "label": name, "fields": fields}


_NAMES = table_names(STANDARD)
MODELS: dict[str, ObjectModel] = {_NAMES[name]: object_model(_described(name), _NAMES[name]) for name in STANDARD}
"""The models of the standard objects by table."""
