"""Salesforce over its REST API: standard and custom objects as tables, read by SOQL, described by the source itself."""
