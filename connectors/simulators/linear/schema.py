"""The part of Linear's schema that the simulator serves, after the public schema of July 2026.

Filters are written by kind, because the schema repeats the same comparators in every one of them.
"""

from __future__ import annotations

from graphql import GraphQLSchema, build_schema

_COMPARATORS = {
    "String": ("String", "eq neq contains containsIgnoreCase startsWith startsWithIgnoreCase endsWith eqIgnoreCase"),
    "Number": ("Float", "eq neq gt gte lt lte"),
    "Date": ("DateTimeOrDuration", "eq neq gt gte lt lte"),
    "TimelessDate": ("TimelessDateOrDuration", "eq neq gt gte lt lte"),
    "ID": ("ID", "eq neq"),
}
_FILTERS = {
    "Issue": "id:IssueIDComparator number:NumberComparator title:StringComparator priority:NullableNumberComparator "
    "estimate:EstimateComparator state:WorkflowStateFilter team:TeamFilter assignee:NullableUserFilter "
    "creator:NullableUserFilter project:NullableProjectFilter cycle:NullableCycleFilter parent:NullableIssueFilter "
    "labels:IssueLabelCollectionFilter dueDate:NullableTimelessDateComparator createdAt:DateComparator "
    "updatedAt:DateComparator startedAt:NullableDateComparator completedAt:NullableDateComparator "
    "canceledAt:NullableDateComparator archivedAt:NullableDateComparator description:NullableStringComparator",
    "Comment": "id:IDComparator issue:NullableIssueFilter user:UserFilter parent:NullableCommentFilter "
    "createdAt:DateComparator updatedAt:DateComparator",
    "Team": "id:IDComparator key:StringComparator name:StringComparator createdAt:DateComparator "
    "updatedAt:DateComparator",
    "User": "id:IDComparator name:StringComparator displayName:StringComparator email:StringComparator "
    "active:BooleanComparator admin:BooleanComparator createdAt:DateComparator updatedAt:DateComparator",
    "WorkflowState": "id:IDComparator name:StringComparator type:StringComparator position:NumberComparator "
    "team:TeamFilter createdAt:DateComparator updatedAt:DateComparator",
    "Project": "id:IDComparator name:StringComparator status:ProjectStatusFilter lead:NullableUserFilter "
    "createdAt:DateComparator updatedAt:DateComparator",
    "ProjectStatus": "id:IDComparator name:StringComparator type:StringComparator",
    "Cycle": "id:IDComparator number:NumberComparator team:TeamFilter startsAt:DateComparator createdAt:DateComparator "
    "updatedAt:DateComparator",
    "Initiative": "id:IDComparator name:StringComparator status:StringComparator owner:NullableUserFilter "
    "creator:NullableUserFilter targetDate:NullableDateComparator startedAt:NullableDateComparator "
    "completedAt:NullableDateComparator createdAt:DateComparator updatedAt:DateComparator",
    "IssueLabel": "id:IDComparator name:StringComparator isGroup:BooleanComparator team:NullableTeamFilter "
    "createdAt:DateComparator updatedAt:DateComparator",
}
_NULLABLE = ("User", "Project", "Cycle", "Issue", "Comment", "Team")
_LISTS = ("Issue", "Comment", "Team", "User", "WorkflowState", "Project", "Cycle", "IssueLabel", "Initiative")
_TYPES = """
scalar DateTime
scalar TimelessDate
scalar DateTimeOrDuration
scalar TimelessDateOrDuration
enum PaginationOrderBy { createdAt updatedAt }
enum InitiativeStatus { Active Canceled Completed Planned Proposed }
enum InitiativeUpdateHealthType { atRisk offTrack onTrack }
enum ProjectStatusType { backlog planned started paused completed canceled }
type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
type Issue { id: ID! identifier: String! number: Float! title: String! description: String priority: Float!
  priorityLabel: String! estimate: Float state: WorkflowState! team: Team! assignee: User creator: User
  project: Project cycle: Cycle parent: Issue labelIds: [String!]!
  labels(first: Int, after: String, includeArchived: Boolean): IssueLabelConnection!
  dueDate: TimelessDate createdAt: DateTime! updatedAt: DateTime! startedAt: DateTime completedAt: DateTime
  canceledAt: DateTime archivedAt: DateTime url: String! branchName: String! }
type Comment { id: ID! issue: Issue user: User parent: Comment body: String! createdAt: DateTime! updatedAt: DateTime!
  editedAt: DateTime resolvedAt: DateTime archivedAt: DateTime url: String! }
type Team { id: ID! key: String! name: String! description: String timezone: String! cyclesEnabled: Boolean!
  createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime }
type User { id: ID! name: String! displayName: String! email: String! active: Boolean! admin: Boolean! guest: Boolean!
  timezone: String createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime }
type WorkflowState { id: ID! name: String! type: String! position: Float! color: String! description: String
  team: Team! createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime }
type ProjectStatus { id: ID! name: String! type: ProjectStatusType! }
type Project { id: ID! name: String! description: String! status: ProjectStatus! lead: User priority: Int!
  progress: Float! startDate: TimelessDate targetDate: TimelessDate createdAt: DateTime! updatedAt: DateTime!
  completedAt: DateTime archivedAt: DateTime url: String! }
type Cycle { id: ID! number: Float! name: String startsAt: DateTime! endsAt: DateTime! completedAt: DateTime
  progress: Float! team: Team! createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime }
type Initiative { id: ID! name: String! description: String status: InitiativeStatus! owner: User creator: User
  priority: Int! health: InitiativeUpdateHealthType targetDate: TimelessDate startedAt: DateTime completedAt: DateTime
  createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime url: String! }
type IssueLabel { id: ID! name: String! color: String! description: String isGroup: Boolean! team: Team
  createdAt: DateTime! updatedAt: DateTime! archivedAt: DateTime }
"""


def served_schema() -> GraphQLSchema:
    """Return the schema that is served."""
    return build_schema(served_text())


def served_text() -> str:
    """Return the schema that is served as a text."""
    parts = [_TYPES]
    for kind, (scalar, names) in _COMPARATORS.items():
        fields = " ".join(f"{name}: {scalar}" for name in names.split()) + f" in: [{scalar}!] nin: [{scalar}!]"
        parts.append(f"input {kind}Comparator {{ {fields} }}") if kind != "TimelessDate" else None
        parts.append(f"input Nullable{kind}Comparator {{ {fields} null: Boolean }}") if kind != "ID" else None
    parts.append("input IssueIDComparator { eq: ID in: [ID!] }")
    parts.append("input BooleanComparator { eq: Boolean neq: Boolean }")
    number = " ".join(f"{name}: Float" for name in _COMPARATORS["Number"][1].split())
    parts.append(f"input EstimateComparator {{ {number} in: [Float!] nin: [Float!] null: Boolean }}")
    for name, fields in _FILTERS.items():
        compound = f"and: [{name}Filter!] or: [{name}Filter!]"
        parts.append(f"input {name}Filter {{ {fields.replace(':', ': ')} {compound} }}")
        if name in _NULLABLE:
            nullable = compound.replace(name, f"Nullable{name}")
            parts.append(f"input Nullable{name}Filter {{ {fields.replace(':', ': ')} {nullable} null: Boolean }}")
    parts.append("input IssueLabelCollectionFilter { some: IssueLabelFilter every: IssueLabelFilter }")
    for name in _LISTS:
        parts.append(f"type {name}Connection {{ nodes: [{name}!]! pageInfo: PageInfo! }}")
    parts.append(f"type Query {{ viewer: User! {' '.join(_listing(name) for name in _LISTS)} }}")
    return "\n".join(parts)


def field_of(name: str) -> str:
    """Return the field of type Query that lists a type."""
    return f"{name[0].lower()}{name[1:]}s"


def _listing(name: str) -> str:
    extra = "includeDisabled: Boolean" if name == "User" else ""
    arguments = "first: Int after: String last: Int before: String includeArchived: Boolean orderBy: PaginationOrderBy"
    return f"{field_of(name)}(filter: {name}Filter {arguments} {extra}): {name}Connection!"
