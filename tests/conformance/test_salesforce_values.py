"""No column of Salesforce's standard tables takes a value that does not fit, and what is missing is null."""

from __future__ import annotations

from typing import Any

from local_network import LOCAL_SETTINGS

from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.objects import ObjectModel
from connectors.salesforce.requests import rows
from connectors.sdk.connector import Source
from connectors.sdk.decode import RowDecoder
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Response
from connectors.sdk.scan import Scan
from connectors.sdk.testing import ValueProof, prove_values
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.salesforce import create_app

TOKEN = "00D_secret_session_value"


async def test_every_column_of_every_standard_table_is_null_or_fits() -> None:
    simulator = await start_simulator(create_app(build_company(issues=50), access_token=TOKEN, size=60))
    options, secrets = {"base_url": simulator.base_url}, {"access_token": TOKEN}
    connection = await SalesforceConnector(LOCAL_SETTINGS).connect(
        Source(tenant="t", server="crm", connector="salesforce", options=options, secrets=secrets)
    )
    try:
        for name, model in (await connection.learn()).items():
            every = tuple(column.name for column in model.table.columns)
            request = rows(model, Scan(table=name, access_path="query", columns=every), "66.0")
            proof = proof_of(model, records_of(await connection.transport.send(request, QUIET_CONTEXT)))
            assert proof.wrong == []
            assert len(proof.spoiled) > 5
    finally:
        await connection.disconnect()
        await simulator.stop()


def proof_of(model: ObjectModel, records: list[dict[str, object]]) -> ValueProof:
    # Of several choices a record has a text with semicolons between.
    columns = [column for column in model.table.columns if column.type_name != "text[]"]
    return prove_values(
        lambda names: RowDecoder(model.table, names, model.extractors),
        model.table,
        columns,
        records,
        derived=frozenset(),
    )


def records_of(response: Response) -> list[dict[str, object]]:
    body: Any = response.body
    # A long query is a part of another request.
    found: list[dict[str, object]] = body.get("compositeResponse", [{"body": body}])[0]["body"]["records"]
    return found
