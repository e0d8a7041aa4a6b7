# Run with: opa test rego/omnisql.rego rego/omnisql_test.rego
package omnisql_test

import data.omnisql
import rego.v1

target := {
	"tables": {"hub.issues": true},
	"table_patterns": [],
	"server_patterns": [],
	"columns": ["email"],
	"columns_if_used": [],
	"column_patterns": [],
}

found := object.union(target, {"tables": {}, "table_patterns": [{"prefix": "hub.", "suffix": "", "least": 4}], "columns": [], "columns_if_used": ["email"], "column_patterns": [{"regex": "^ti[^.]*$"}]})

rule(name, targets, more) := object.union({"name": name, "targets": targets, "subjects": {}, "exempt": {}}, more)

policies(sections) := object.union({"revision": "r1", "denials": [], "row_filters": [], "masks": []}, sections)

asking(attributes, columns) := {
	"context": {"identity": {"user": "eve", "groups": [], "roles": [], "attributes": attributes}},
	"action": {"operation": "SelectFromColumns", "filterResources": [{"table": {
		"catalogName": "hub",
		"schemaName": "main",
		"tableName": "issues",
		"columns": columns,
	}}]},
}

decide(sections, question) := answer if {
	answer := omnisql.decision with data.omnisql_policies as policies(sections) with input as question
}

by_teams := {"operator": "in", "column": "repo", "attribute": "teams", "values": {"web": ["a", "b"]}}

filtered(rows, attributes) := decision.rowFilters[0].filter if {
	decision := decide({"row_filters": [rule("rows", [target], {"rows": rows})]}, asking(attributes, []))
}

test_without_policies_all_is_allowed if {
	decide({}, asking({}, ["title"])) == {"allow": true, "denyReasons": [], "rowFilters": [], "columnMasks": [], "revision": "r1"}
}

test_without_data_there_is_no_decision if not omnisql.decision with input as asking({}, [])

test_data_without_a_section_allows_nothing if {
	every section in ["denials", "row_filters", "masks"] {
		without := object.remove(policies({}), [section])
		decision := omnisql.decision with data.omnisql_policies as without with input as asking({}, [])
		not decision.allow
	}
}

test_another_operation_is_not_allowed if {
	question := object.union(asking({}, []), {"action": {"operation": "DropTable"}})
	not decide({}, question).allow
}

test_a_statement_without_tables_is_not_allowed if {
	question := object.union(asking({}, []), {"action": {"filterResources": []}})
	not decide({}, question).allow
}

test_a_denial_is_named if {
	decision := decide({"denials": [rule("closed", [target], {})]}, asking({}, []))
	not decision.allow
	decision.denyReasons == [{"index": 0, "policy": "closed"}]
}

test_an_exception_lifts_a_denial if {
	denial := rule("closed", [target], {"exempt": {"teams": ["finance"]}})
	decide({"denials": [denial]}, asking({"teams": ["finance"]}, [])).allow
	decide({"denials": [denial]}, asking({"teams": ["*"]}, [])).allow
	not decide({"denials": [denial]}, asking({"teams": ["web"]}, [])).allow
	not decide({"denials": [denial]}, asking({}, [])).allow
}

test_a_policy_of_others_does_not_bind if {
	denial := rule("closed", [target], {"subjects": {"users": ["ana"]}})
	decide({"denials": [denial]}, asking({"users": ["ana"]}, [])).allow
	not decide({"denials": [rule("closed", [target], {"subjects": {"users": ["eve"]}})]}, asking({}, [])).allow
}

test_a_user_called_star_is_no_more_than_a_user if {
	question := object.union(asking({}, []), {"context": {"identity": {"user": "*"}}})
	not decide({"denials": [rule("closed", [target], {"exempt": {"users": ["ana"]}})]}, question).allow
}

test_values_are_looked_up if {
	filtered(by_teams, {"teams": ["web"]}) == {"type": "field", "operator": "in", "field": "repo", "value": {"a", "b"}}
}

test_without_a_value_a_comparison_is_unknown if {
	filtered(by_teams, {}).value == null
	filtered(by_teams, {"teams": ["unlisted"]}).value == null
}

test_star_stands_for_all_values if {
	filtered(by_teams, {"teams": ["*"]}) == {"type": "compound", "operator": "and", "value": []}
	others := object.union(by_teams, {"operator": "nin"})
	filtered(others, {"teams": ["*"]}) == {"type": "compound", "operator": "or", "value": []}
}

test_trees_keep_every_part if {
	leaf := {"operator": "eq", "column": "x", "value": false}
	tree := {"operator": "and", "parts": [by_teams, {"operator": "not", "parts": [leaf]}]}
	filtered(tree, {"teams": ["web"]}) == {"type": "compound", "operator": "and", "value": [
		{"type": "field", "operator": "in", "field": "repo", "value": {"a", "b"}},
		{"type": "compound", "operator": "not", "value": [{"type": "field", "operator": "eq", "field": "x", "value": false}]},
	]}
}

test_what_cannot_be_made_is_marked if {
	filtered({"operator": "eq"}, {}) == {"type": "invalid"}
	filtered({"operator": "and", "parts": [{"operator": "eq"}]}, {}).value == [{"type": "invalid"}]
}

masked(targets, columns) := {mask.column |
	some mask in decide({"masks": [rule("m", targets, {"mask": {"kind": "null"}})]}, asking({}, columns)).columnMasks
}

test_named_columns_are_masked_always_and_found_ones_if_used if {
	masked([target], []) == {"email"}
	masked([found], []) == set()
	masked([found], ["email", "title", "x"]) == {"email", "title"}
}

test_servers_narrow_a_policy if {
	here := object.union(target, {"server_patterns": [{"prefix": "main", "suffix": "", "least": 4}]})
	there := object.union(target, {"server_patterns": [{"prefix": "other", "suffix": "", "least": 5}]})
	not decide({"denials": [rule("closed", [here], {})]}, asking({}, [])).allow
	decide({"denials": [rule("closed", [there], {})]}, asking({}, [])).allow
}

test_a_purpose_lifts_the_denial_that_wants_one if {
	denial := rule("purpose", [target], {"purposes": ["billing"]})
	question := asking({}, [])
	not decide({"denials": [denial]}, question).allow
	decide({"denials": [denial]}, object.union(question, {"context": {"purpose": "billing"}})).allow
	not decide({"denials": [denial]}, object.union(question, {"context": {"purpose": "support"}})).allow
}

test_what_was_written_is_read_for_a_purpose_and_asked_nothing_else if {
	question := object.union(asking({}, []), {"action": {"operation": "ReadDerived"}})
	wanting := rule("purpose", [target], {"purposes": ["billing"]})
	decide({}, question).allow
	decide({"denials": [rule("closed", [target], {})]}, question).allow
	not decide({"denials": [wanting]}, question).allow
	decide({"denials": [wanting]}, object.union(question, {"context": {"purpose": "billing"}})).allow
	not decide({"denials": [wanting]}, object.union(question, {"context": {"purpose": "support"}})).allow
}

test_sharing_takes_a_rule if {
	question := object.union(asking({}, []), {"action": {"operation": "ShareDerived"}})
	not decide({}, question).allow
	not decide({"shares": []}, question).allow
	decide({"shares": [rule("all", [target], {})]}, question).allow
	not decide({"shares": [rule("others", [target], {"subjects": {"users": ["ana"]}})]}, question).allow
	not decide({"shares": [rule("all", [target], {})], "denials": [rule("closed", [target], {})]}, question).allow
}
