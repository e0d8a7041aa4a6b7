"""EXPLAIN's document says the same in every format."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from omnisql_server.plan.explain_formats import ExplainFormat, in_format

SCAN = {"Node Type": "API Scan", "Total Cost (calls)": 1.5, "Filter": "a < '<&>' AND b = '\"é: -'", "Quota": ["x", "y"]}
DOCUMENT = [{"Plan": {"Node Type": "Query", "Plans": [SCAN, {"Complete": True, "Cache": None, "Quota": []}]}}]
AS_JSON = json.dumps(DOCUMENT, indent=2, ensure_ascii=False)


def test_yaml_reads_as_json_does() -> None:
    assert yaml.safe_load(in_format(AS_JSON, ExplainFormat.YAML)) == DOCUMENT
    assert in_format(AS_JSON, ExplainFormat.YAML).startswith(
        '- Plan:\n    Node Type: "Query"\n    Plans:\n      - Node Type:'
    )


def test_xml_has_the_elements_that_postgresql_gives() -> None:
    root = ElementTree.fromstring(in_format(AS_JSON, ExplainFormat.XML))
    in_postgresql = {"": "http://www.postgresql.org/2009/explain"}
    first, second = root.findall("Query/Plan/Plans/Plan", in_postgresql)
    found = {each.tag.rpartition("}")[2]: each.text for each in first}
    assert found["Node-Type"] == "API Scan"
    assert found["Total-Cost--calls-"] == "1.5"
    assert found["Filter"] == SCAN["Filter"]
    assert [each.text for each in first.findall("Quota/Item", in_postgresql)] == ["x", "y"]
    assert second.findtext("Complete", None, in_postgresql) == "true"


@pytest.mark.parametrize(("wanted", "type_oid"), [("text", 25), ("json", 114), ("yaml", 25), ("xml", 142)])
def test_the_column_has_postgresqls_type(wanted: str, type_oid: int) -> None:
    assert ExplainFormat(wanted).type_oid == type_oid
