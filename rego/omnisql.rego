# The decision on one statement: which of its tables may not be read, which rows are seen, which columns are masked.
#
# Input: context.identity {user, groups, roles, attributes}, context.purpose, and action {operation, filterResources},
# where each resource is {table: {catalogName: connector, schemaName: server, tableName: API table, columns: those the
# statement uses}}. The operation is SelectFromColumns, ShareDerived: to let others see what was written from them, or
# ReadDerived: to read that.
# Policies are data, as omnisql compiles them from YAML: data.omnisql_policies.
#
# Every function that makes a part of an answer is total: in Rego what is undefined vanishes from a comprehension, and
# with it the condition that should have hidden a row. What cannot be made is marked invalid, and the server refuses it.
package omnisql

import rego.v1

policies := data.omnisql_policies

decision := {
	"allow": allow,
	"denyReasons": denyReasons,
	"rowFilters": rowFilters,
	"columnMasks": columnMasks,
	"revision": policies.revision,
}

default allow := false

allow if {
	input.action.operation == "SelectFromColumns"
	is_string(input.context.identity.user)
	count(resources) > 0
	is_array(policies.denials)
	is_array(policies.row_filters)
	is_array(policies.masks)
	count(denyReasons) == 0
}

# To share takes a rule that says so, for every table.

allow if {
	input.action.operation == "ShareDerived"
	is_string(input.context.identity.user)
	count(resources) > 0
	is_array(policies.denials)
	count(denyReasons) == 0
	every resource in resources { may_share(resource) }
}

# What was written is its owner's and those it was shared with: of the rules, those about purposes alone count again.

allow if {
	input.action.operation == "ReadDerived"
	is_string(input.context.identity.user)
	count(resources) > 0
	is_array(policies.denials)
	count(denyReasons) == 0
}

may_share(resource) if {
	some rule in policies.shares
	concerns(rule, resource)
	binds(rule)
}

denyReasons := [{"index": index, "policy": rule.name} |
	some rule in policies.denials
	binds(rule)
	not is_for(rule)
	is_asked(rule)
	some index, resource in resources
	concerns(rule, resource)
]

# A rule with purposes denies nothing to who reads for one of them.

is_for(rule) if input.context.purpose in rule.purposes

is_asked(_) if input.action.operation != "ReadDerived"

is_asked(rule) if rule.purposes

rowFilters := [{"index": index, "policy": rule.name, "filter": filter} |
	some rule in policies.row_filters
	binds(rule)
	filter := filter_of(rule)
	some index, resource in resources
	concerns(rule, resource)
]

columnMasks := [{"index": index, "column": column, "policy": rule.name, "mask": rule.mask} |
	some rule in policies.masks
	binds(rule)
	some index, resource in resources
	some column in masked(rule, resource)
]

resources := [object.union(resource.table, {"name": name_of(resource.table)}) |
	some resource in input.action.filterResources
]

name_of(table) := concat(".", [table.catalogName, table.tableName])

# Of a rule: whether it concerns an API table, by its exact name or by a pattern, on one of some servers.

concerns(rule, resource) if {
	some target in rule.targets
	is_meant(target, resource)
}

is_meant(target, resource) if {
	target.tables[resource.name]
	on_server(target, resource)
}

is_meant(target, resource) if {
	some pattern in target.table_patterns
	matches(pattern, resource.name)
	on_server(target, resource)
}

# One star is a beginning and an end; to evaluate a regular expression takes longer by far.

matches(pattern, text) if {
	startswith(text, pattern.prefix)
	endswith(text, pattern.suffix)
	count(text) >= pattern.least
}

matches(pattern, text) if regex.match(pattern.regex, text)

on_server(target, _) if count(target.server_patterns) == 0

on_server(target, resource) if {
	some pattern in target.server_patterns
	matches(pattern, resource.schemaName)
}

# Columns that a rule names in so many words are masked even where the statement does not use them: the server refuses a
# table that has no such column, rather than to show what should have been hidden.

masked(rule, resource) := {column |
	some target in rule.targets
	is_meant(target, resource)
	some column in array.concat(target.columns, used(target, resource))
}

used(target, resource) := [column |
	some column in target.columns_if_used
	column in resource.columns
] if {
	count(target.column_patterns) == 0
}

else := [column |
	some column in resource.columns
	is_named(target, column)
]

is_named(target, column) if column in target.columns_if_used

is_named(target, column) if {
	some pattern in target.column_patterns
	matches(pattern, column)
}

# Of a rule: whether it binds who asks. Without subjects it binds all; an exception is stronger than a subject.

binds(rule) if {
	not is_one_of(rule.exempt)
	is_subject(rule)
}

is_subject(rule) if count(rule.subjects) == 0

is_subject(rule) if is_one_of(rule.subjects)

is_one_of(selector) if input.context.identity.user in selector.users

is_one_of(selector) if {
	some attribute, wanted in selector
	attribute != "users"
	some value in wanted
	value in held(attribute)
}

is_one_of(selector) if {
	some attribute, _ in selector
	attribute != "users"
	"*" in held(attribute)
}

# The texts of an attribute; "users" is the name that logged in, and "*" is no more than a name there.

held("users") := [input.context.identity.user]

held(attribute) := object.get(input.context.identity.attributes, attribute, []) if attribute != "users"

# A condition that speaks of no attribute may be written out in the data.

filter_of(rule) := rule.node if rule.node

else := node(rule.rows)

# Conditions as UCAST nodes. Rego knows no recursion, so that each level of a tree has a function of its own.

node(part) := compound(part, [node_4(inner) | some inner in part.parts]) if part.parts

else := leaf(part)

node_4(part) := compound(part, [node_3(inner) | some inner in part.parts]) if part.parts

else := leaf(part)

node_3(part) := compound(part, [node_2(inner) | some inner in part.parts]) if part.parts

else := leaf(part)

node_2(part) := compound(part, [node_1(inner) | some inner in part.parts]) if part.parts

else := leaf(part)

node_1(part) := compound(part, [leaf(inner) | some inner in part.parts]) if part.parts

else := leaf(part)

compound(part, nodes) := {"type": "compound", "operator": part.operator, "value": nodes} if {
	count(nodes) == count(part.parts)
}

else := invalid

# A comparison with a literal, or with what the principal holds: "*" stands for all values, and without any value the
# comparison is neither true nor false, as with NULL, so that no row is seen by it or by its opposite.

leaf(part) := field(part, part.value) if {
	not part.attribute
	is_string(part.column)
}

else := everything if {
	holds_all(part)
	part.operator != "nin"
}

else := nothing if holds_all(part)

else := field(part, given(part)) if part.attribute

else := invalid

holds_all(part) if {
	part.attribute != "users"
	"*" in held(part.attribute)
}

given(part) := found if {
	found := values_of(part)
	count(found) > 0
}

else := null

values_of(part) := {value | some key in held(part.attribute); some value in object.get(part.values, key, [])} if {
	part.values
}

else := held(part.attribute)

field(part, value) := {"type": "field", "operator": part.operator, "field": part.column, "value": value}

everything := {"type": "compound", "operator": "and", "value": []}

nothing := {"type": "compound", "operator": "or", "value": []}

invalid := {"type": "invalid"}
