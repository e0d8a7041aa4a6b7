"""SOQL as the reference has it: text to tokens, tokens to a query, a query over records."""

from connectors.simulators.salesforce.soql.errors import SoqlError
from connectors.simulators.salesforce.soql.evaluate import chosen
from connectors.simulators.salesforce.soql.syntax import Query, parse

__all__ = ["Query", "SoqlError", "chosen", "parse"]
