"""Keeps what was derived from API tables with its owner: nobody else may read it, nor anything that reads it.

What makes rows readable to a role is an *exposure*: a grant, another owner, a view or partitioned table above, a
SECURITY DEFINER function of the owner's, membership in the owner. An event trigger looks at all of them at the end of
each command that can make one. Only the server's own role writes `share_permit`, when policy lets a role share; what
was let pass stands in `shared` for as long as the exposure does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from catalog.connection import Connection
from catalog.validators import CATALOG_SCHEMA

Columns: TypeAlias = Iterable[tuple[str, str, str, str]]
"""Of each column: connector, server, API table, API column."""

CALLER = """
    CASE pg_catalog.current_setting('role') WHEN 'none' THEN session_user
         ELSE pg_catalog.current_setting('role')::pg_catalog.name END
"""
"""The role that asks, inside a function that runs as another."""

SESSION_ROLE = "(SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) session_user)"

KEEPER_SQL = f"""
SELECT CASE WHEN pg_catalog.pg_has_role(session_user, owner, 'USAGE')
                OR pg_catalog.pg_has_role(session_user, owner, 'SET')
            THEN owner ELSE {SESSION_ROLE} END
"""
"""Whose rows a session writes into a table of that owner: the owner's if it may act as the owner, else its own."""

_SCHEMA = CATALOG_SCHEMA


def _named(role: str) -> str:
    return (
        f"CASE {role} WHEN 0::pg_catalog.oid THEN 'PUBLIC'::pg_catalog.text"
        f" ELSE pg_catalog.pg_get_userbyid({role})::pg_catalog.text END"
    )


_IS_INVOKER = """
    EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) o
            WHERE o.option_name OPERATOR(pg_catalog.=) 'security_invoker'
                AND o.option_value::pg_catalog.bool)
"""
EXPOSURES_SQL = f"""
WITH RECURSIVE roots(relation, owner) AS (
    SELECT d.relation::pg_catalog.oid, d.owner::pg_catalog.oid FROM {_SCHEMA}.derived d
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.relation::pg_catalog.oid
    WHERE c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
    UNION ALL
    SELECT c.oid, {_SCHEMA}.keeper_of(c.relowner) FROM pg_catalog.pg_class c
    WHERE c.oid OPERATOR(pg_catalog.=) target::pg_catalog.oid
        AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog."char"
        AND NOT EXISTS (SELECT FROM {_SCHEMA}.derived d WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) c.oid)
), reach(root, owner, oid) AS (
    SELECT r.relation, r.owner, r.relation FROM roots r
    UNION
    SELECT r.root, r.owner, n.oid FROM reach r CROSS JOIN LATERAL (
        SELECT w.ev_class AS oid FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
        WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
            AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
            AND d.refobjid OPERATOR(pg_catalog.=) r.oid
        UNION ALL
        SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) r.oid
    ) n
), relations AS (
    SELECT r.root, r.owner, c.oid, c.relowner, c.relacl,
        c.relkind OPERATOR(pg_catalog.=) 'v'::pg_catalog."char" AND {_IS_INVOKER} AS invoker
    FROM reach r JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.oid
)
SELECT r.root, r.relowner, true, r.oid, pg_catalog.format('%s belongs to %s', r.oid::pg_catalog.regclass,
        pg_catalog.pg_get_userbyid(r.relowner))
FROM relations r WHERE NOT r.invoker AND r.relowner OPERATOR(pg_catalog.<>) r.owner
UNION ALL
SELECT r.root, a.grantee, false, r.oid, pg_catalog.format('%s is granted to %s', r.oid::pg_catalog.regclass,
        {_named("a.grantee")})
FROM relations r CROSS JOIN LATERAL (
    SELECT x.grantee, x.privilege_type FROM pg_catalog.aclexplode(r.relacl) x
    UNION ALL
    SELECT x.grantee, x.privilege_type FROM pg_catalog.pg_attribute t
    CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) x
    WHERE t.attrelid OPERATOR(pg_catalog.=) r.oid
) a
WHERE NOT r.invoker AND a.grantee OPERATOR(pg_catalog.<>) r.owner
    AND a.grantee OPERATOR(pg_catalog.<>) r.relowner AND a.privilege_type OPERATOR(pg_catalog.<>) 'INSERT'
UNION ALL
SELECT r.relation, x.grantee, false, p.oid, pg_catalog.format('%s runs as %s for %s', p.oid::pg_catalog.regprocedure,
        pg_catalog.pg_get_userbyid(p.proowner),
        {_named("x.grantee")})
FROM roots r JOIN pg_catalog.pg_proc p ON p.prosecdef AND (p.proowner OPERATOR(pg_catalog.=) r.owner
    OR EXISTS (SELECT FROM {_SCHEMA}.shared s JOIN pg_catalog.pg_roles o
                   ON o.oid OPERATOR(pg_catalog.=) p.proowner AND NOT o.rolsuper
               WHERE s.relation::pg_catalog.oid OPERATOR(pg_catalog.=) r.relation
                   AND s.role::pg_catalog.oid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
                   AND pg_catalog.pg_has_role(o.oid, s.role::pg_catalog.oid, 'USAGE')))
CROSS JOIN LATERAL pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
WHERE x.grantee OPERATOR(pg_catalog.<>) r.owner AND x.grantee OPERATOR(pg_catalog.<>) p.proowner
UNION ALL
SELECT r.relation, m.member, true, 0::pg_catalog.oid, pg_catalog.format('%s is a member of %s',
        pg_catalog.pg_get_userbyid(m.member), pg_catalog.pg_get_userbyid(r.owner))
FROM roots r JOIN pg_catalog.pg_auth_members m ON m.roleid OPERATOR(pg_catalog.=) r.owner
WHERE m.inherit_option OR m.set_option
UNION ALL
SELECT r.relation, {SESSION_ROLE}, true, 0::pg_catalog.oid, pg_catalog.format('%s writes for %s', session_user,
        pg_catalog.pg_get_userbyid(r.owner))
FROM roots r
WHERE r.relation OPERATOR(pg_catalog.=) target::pg_catalog.oid
    AND r.owner OPERATOR(pg_catalog.<>) {_SCHEMA}.keeper_of(r.owner)
"""
"""Every exposure of what is derived, and of `target` as if it were.

`hidden` ones may come about without a command that an event trigger sees: they count for what is written now, and for
the relations that a command is about.
"""

# Who is the first to write by a role that others have, too, goes on to read what was written. What `target` is shared
# with is asked for again where `touched` is null: then it holds columns that it did not hold before. A permit is good
# for the columns that policy was asked about.
KEEP_BODY = f"""
DECLARE
    one record;
    present pg_catalog.text[] := '{{}}';
    let pg_catalog.bool;
BEGIN
    FOR one IN SELECT e.*, s.relation IS NOT NULL AS known FROM {_SCHEMA}.exposures(target) e
        LEFT JOIN {_SCHEMA}.shared s ON s.relation::pg_catalog.oid OPERATOR(pg_catalog.=) e.root
            AND s.role::pg_catalog.oid OPERATOR(pg_catalog.=) e.role
    LOOP
        present := pg_catalog.array_append(present, pg_catalog.concat_ws(' ', one.root, one.role));
        CONTINUE WHEN one.known AND NOT (
            touched IS NULL AND COALESCE(one.root OPERATOR(pg_catalog.=) target::pg_catalog.oid, false)
            AND NOT (one.hidden AND one.role OPERATOR(pg_catalog.=) {SESSION_ROLE}));
        CONTINUE WHEN NOT (
            NOT one.hidden OR COALESCE(one.relation OPERATOR(pg_catalog.=) ANY (touched), false)
            OR COALESCE(one.root OPERATOR(pg_catalog.=) target::pg_catalog.oid, false));
        SELECT EXISTS (SELECT FROM {_SCHEMA}.share_permit p
                       WHERE p.relation::pg_catalog.oid OPERATOR(pg_catalog.=) one.root
                           AND p.role::pg_catalog.oid OPERATOR(pg_catalog.=) {SESSION_ROLE}
                           AND p.until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()
                           AND NOT EXISTS (SELECT FROM {_SCHEMA}.derivation v
                               WHERE v.relation::pg_catalog.oid OPERATOR(pg_catalog.=) one.root AND NOT EXISTS (
                                   SELECT FROM pg_catalog.jsonb_array_elements(p.covers) e
                                   WHERE e.value OPERATOR(pg_catalog.=) pg_catalog.jsonb_build_array(
                                       v.connector, v.server, v.api_table, v.api_column))))
            OR (one.hidden AND one.role OPERATOR(pg_catalog.=) {SESSION_ROLE}
                AND EXISTS (SELECT FROM {_SCHEMA}.derived d
                            WHERE d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) one.root
                                AND d.owner::pg_catalog.oid OPERATOR(pg_catalog.=)
                                    {_SCHEMA}.keeper_of(d.owner::pg_catalog.oid)
                                AND d.since OPERATOR(pg_catalog.=) pg_catalog.now())) INTO let;
        IF NOT let THEN
            RAISE EXCEPTION USING
                ERRCODE = '42501',
                MESSAGE = 'rows from API tables are for the owner of their table alone',
                DETAIL = pg_catalog.format('%s, and %s holds such rows.', one.what,
                                           one.root::pg_catalog.regclass),
                HINT = 'The policy of the tenant must let you share it: see shares in docs/policies.md.';
        END IF;
        INSERT INTO {_SCHEMA}.shared (relation, role) VALUES (one.root, one.role) ON CONFLICT DO NOTHING;
    END LOOP;
    DELETE FROM {_SCHEMA}.shared s
    WHERE pg_catalog.concat_ws(' ', s.relation::pg_catalog.oid, s.role::pg_catalog.oid)
        OPERATOR(pg_catalog.<>) ALL (present);
END
"""

REFUSE_SHARING = f"""
BEGIN
    IF EXISTS (SELECT FROM {_SCHEMA}.derived) THEN
        PERFORM {_SCHEMA}.keep_with_owner(NULL, (
            SELECT pg_catalog.array_agg(c.objid) FROM pg_catalog.pg_event_trigger_ddl_commands() c
            WHERE c.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid));
    END IF;
END
"""

SHARING_TAGS = (
    "GRANT",
    "ALTER TABLE",
    "ALTER VIEW",
    "ALTER MATERIALIZED VIEW",
    "CREATE TABLE",
    "CREATE VIEW",
    "CREATE MATERIALIZED VIEW",
    "CREATE RULE",
    "CREATE SCHEMA",
    "CREATE FUNCTION",
    "CREATE PROCEDURE",
    "ALTER FUNCTION",
    "ALTER PROCEDURE",
    "ALTER ROUTINE",
)
"""Commands that can expose a relation; PostgreSQL has no event triggers for REASSIGN OWNED and memberships."""

PERMIT_S = 60
PERMIT_SQL = f"""
INSERT INTO {_SCHEMA}.share_permit (relation, role, until, covers)
SELECT u.oid::pg_catalog.regclass, r.oid, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => {PERMIT_S}),
    u.covers::pg_catalog.jsonb
FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.oid[]), pg_catalog.unnest($3::pg_catalog.text[])) AS u(oid, covers)
JOIN pg_catalog.pg_roles r ON r.rolname = $1
ON CONFLICT (relation, role) DO UPDATE SET until = excluded.until, covers = excluded.covers
"""
FORGET_SQL = f"DELETE FROM {_SCHEMA}.share_permit WHERE until < pg_catalog.clock_timestamp()"


async def permit_sharing(connection: Connection, role: str, relations: Mapping[int, Columns]) -> None:
    """Let a role share relations, by OID, for a minute, as long as their rows are of those columns alone.

    Over the superuser's connection to the tenant's database.
    """
    await connection.execute(FORGET_SQL)
    covers = [json.dumps([list(column) for column in columns]) for columns in relations.values()]
    await connection.execute(PERMIT_SQL, role, list(relations), covers)
