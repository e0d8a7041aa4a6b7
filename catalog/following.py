"""Lineage of what functions, procedures and DO blocks write: looked for when their transaction commits.

`omnisql_catalog.follow()`, called before a statement whose effects no text tells, puts a row into `following`, whose
deferred trigger fires at the commit: each table that got rows since then inherits from the derived relations that the
transaction has read. PostgreSQL's locks name both, its counters (pg_stat_xact_all_tables) tell what was only locked,
and reads whose locks a rolled back subtransaction has let go. A commit inside a procedure ends what is looked at.

SET CONSTRAINTS ALL IMMEDIATE has the look taken at once: then one more is taken at the commit. That it was not the
commit is told by a row put in again: its own trigger has taken it out by the next command.
"""

from __future__ import annotations

from catalog.connection import Connection
from catalog.quoting import identifier
from catalog.validators import CATALOG_SCHEMA

TABLE = f"""
CREATE UNLOGGED TABLE IF NOT EXISTS {CATALOG_SCHEMA}.following (
    transaction pg_catalog.xid8 PRIMARY KEY,
    read pg_catalog.jsonb NOT NULL,
    written pg_catalog.jsonb NOT NULL
);
"""
TABLE_NAME = "following"
TRIGGER = "omnisql_following"
_TRIGGER_SQL = "SELECT 1 FROM pg_catalog.pg_trigger t WHERE t.tgname = $1 AND t.tgrelid = $2::pg_catalog.regclass"

_ROWS_READ = """
(pg_catalog.pg_stat_get_xact_numscans({0}) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_returned({0})
 OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_fetched({0}))
"""
_ROWS_WRITTEN = """
(pg_catalog.pg_stat_get_xact_tuples_inserted({0}) OPERATOR(pg_catalog.+)
 pg_catalog.pg_stat_get_xact_tuples_updated({0}))
"""
# What the transaction may have written to: DELETE takes the same lock. What EXPLAIN ANALYZE makes is no command to
# event triggers, and holds the lock of what is new.
_TARGETS = f"""
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
    WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
        AND l.mode OPERATOR(pg_catalog.=) ANY ('{{RowExclusiveLock,AccessExclusiveLock}}'::pg_catalog.text[])
        AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
        AND c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,m}}'::pg_catalog."char"[])
        AND c.relnamespace OPERATOR(pg_catalog.<>) '{CATALOG_SCHEMA}'::pg_catalog.regnamespace::pg_catalog.oid
"""

# Counters go on over the transactions of a second: what they were before is none of this one's doing.
FOLLOW_BODY = f"""
BEGIN
    IF pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on'
        OR NOT EXISTS (SELECT FROM {CATALOG_SCHEMA}.derived)
    THEN
        RETURN;
    END IF;
    SET CONSTRAINTS {CATALOG_SCHEMA}.{TRIGGER} DEFERRED;
    INSERT INTO {CATALOG_SCHEMA}.following (transaction, read, written) VALUES (
        pg_catalog.pg_current_xact_id(),
        (SELECT COALESCE(pg_catalog.jsonb_object_agg(d.relation::pg_catalog.oid, {_ROWS_READ.format("d.relation")}),
                         '{{}}')
         FROM {CATALOG_SCHEMA}.derived d),
        (SELECT COALESCE(pg_catalog.jsonb_object_agg(c.oid, n.rows), '{{}}') FROM pg_catalog.pg_class c
         CROSS JOIN LATERAL (SELECT {_ROWS_WRITTEN.format("c.oid")} AS rows) n
         WHERE c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
             AND c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
             AND n.rows OPERATOR(pg_catalog.>) 0::pg_catalog.int8))
    ON CONFLICT DO NOTHING;
END
"""

FOLLOWED_BODY = f"""
DECLARE
    target pg_catalog.oid;
    origins pg_catalog.oid[];
BEGIN
    DELETE FROM {CATALOG_SCHEMA}.following f WHERE f.transaction OPERATOR(pg_catalog.=) NEW.transaction;
    IF NEW.read OPERATOR(pg_catalog.=) 'null'::pg_catalog.jsonb THEN
        RETURN NULL;
    END IF;
    SELECT pg_catalog.array_agg(DISTINCT o.root) INTO origins FROM (
        SELECT u.root FROM pg_catalog.pg_locks l CROSS JOIN LATERAL {CATALOG_SCHEMA}.derived_under(l.relation) u
        WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
        UNION ALL
        SELECT d.relation::pg_catalog.oid FROM {CATALOG_SCHEMA}.derived d
        WHERE {_ROWS_READ.format("d.relation")} OPERATOR(pg_catalog.>)
            COALESCE((NEW.read OPERATOR(pg_catalog.->>) d.relation::pg_catalog.oid::pg_catalog.text)::pg_catalog.int8,
                     0::pg_catalog.int8)
    ) o JOIN {CATALOG_SCHEMA}.derived d ON d.relation::pg_catalog.oid OPERATOR(pg_catalog.=) o.root;
    FOR target IN SELECT c.oid {_TARGETS}
        AND origins IS NOT NULL
        AND {_ROWS_WRITTEN.format("c.oid")} OPERATOR(pg_catalog.>)
            COALESCE((NEW.written OPERATOR(pg_catalog.->>) c.oid::pg_catalog.text)::pg_catalog.int8,
                     0::pg_catalog.int8)
    LOOP
        PERFORM {CATALOG_SCHEMA}.derive(target::pg_catalog.regclass, '[]'::pg_catalog.jsonb, origins);
    END LOOP;
    INSERT INTO {CATALOG_SCHEMA}.following (transaction, read, written) VALUES (NEW.transaction, 'null', 'null');
    DELETE FROM {CATALOG_SCHEMA}.following f WHERE f.transaction OPERATOR(pg_catalog.=) NEW.transaction;
    IF NOT FOUND THEN
        PERFORM {CATALOG_SCHEMA}.follow();
    END IF;
    RETURN NULL;
END
"""


async def install_following(connection: Connection) -> None:
    """Make the trigger once the functions are there; who may read the table is up to `install_lineage`."""
    table = f"{CATALOG_SCHEMA}.{TABLE_NAME}"
    if await connection.fetchval(_TRIGGER_SQL, TRIGGER, table) is None:
        await connection.execute(
            f"CREATE CONSTRAINT TRIGGER {identifier(TRIGGER)} AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION {CATALOG_SCHEMA}.followed()"
        )
