"""The decision in Rego, as a file of the package: `omnisql.rego`, beside its tests."""
