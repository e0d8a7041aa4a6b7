"""Every kind of request that the connector of Salesforce builds: queries and their pages, descriptions, jobs."""

from __future__ import annotations

from connectors.salesforce import bulk
from connectors.salesforce.requests import (
    composite,
    count,
    descriptions,
    following,
    objects,
    query,
    resources,
    user_name,
)
from connectors.salesforce.standard import MODELS
from connectors.sdk.request import Request

VERSION = "66.0"
ID = "005000000100000AAA"
LONG = "SELECT Id FROM Account WHERE Name IN (" + ", ".join(f"'{number:>099}'" for number in range(100)) + ")"


def salesforce_requests() -> list[Request]:
    """Return one of each kind; texts in SOQL are judged by a parser of it (`test_soql_grammar`)."""
    counts = [count(model, VERSION) for model in MODELS.values()]
    long = query(LONG, VERSION)
    assert long.method == "POST"
    page = following(counts[0], f"/services/data/v{VERSION}/query/01g000000105S73AAE-2000")
    job = "750000000105S73AAE"
    jobs = [
        bulk._request(VERSION, method="POST", body={"operation": "query", "query": "SELECT Id FROM Account"}),
        bulk._request(VERSION, job),
        bulk._request(VERSION, job, method="PATCH", body={"state": "Aborted"}),
        bulk._request(VERSION, job, method="DELETE"),
        bulk._results(VERSION, job, ""),
        bulk._results(VERSION, job, "MA50000"),
    ]
    described = [descriptions(MODELS, VERSION), objects(VERSION), resources(VERSION), user_name(ID, VERSION)]
    return [
        *counts,
        long,
        page,
        composite(["/services/data/v66.0/query?q=SELECT+Id+FROM+Account"], VERSION),
        *described,
        *jobs,
    ]
