"""The constant queries behind what is read as the owners of views. Those of a user's backend are qualified in full."""

from __future__ import annotations

MOMENT = """
SELECT pg_catalog.current_setting('transaction_isolation'),
       pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL,
       (SELECT r.rolname FROM pg_catalog.pg_roles AS r
         WHERE r.rolname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[]) AND (r.rolsuper OR NOT r.rolcanlogin)
         LIMIT 1),
       CASE WHEN pg_catalog.current_setting('auto_explain.log_min_duration', true) OPERATOR(pg_catalog.<>) ''
             AND pg_catalog.current_setting('auto_explain.log_min_duration', true) OPERATOR(pg_catalog.<>) '-1'
            THEN 'auto_explain.log_min_duration'
            WHEN pg_catalog.current_setting('log_parameter_max_length') OPERATOR(pg_catalog.<>) '0'
             AND (pg_catalog.current_setting('log_statement') OPERATOR(pg_catalog.<>) 'none'
               OR pg_catalog.current_setting('log_min_duration_statement') OPERATOR(pg_catalog.<>) '-1'
               OR pg_catalog.current_setting('log_min_duration_sample') OPERATOR(pg_catalog.<>) '-1'
               OR pg_catalog.current_setting('log_transaction_sample_rate') OPERATOR(pg_catalog.<>) '0')
            THEN 'log_parameter_max_length' END
"""
"""The isolation of the session's transaction, whether it has written, one of the owners that nobody may log in as, a
setting of the cluster's under which PostgreSQL tells the values of parameters to a client that asks to see its log."""

SNAPSHOT = "SELECT pg_catalog.pg_export_snapshot()"

USERS_CODE = """
WITH RECURSIVE tables(oid) AS (
    SELECT $1::oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tables t ON t.oid = i.inhparent
), types(oid) AS (
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT within.oid FROM types u JOIN pg_type t ON t.oid = u.oid CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
        UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
        UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
    ) within WHERE within.oid <> 0
), objects(classid, objid) AS (
    SELECT 'pg_class'::regclass::oid, t.oid FROM tables t
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid FROM pg_index i JOIN tables t ON t.oid = i.indrelid
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext s JOIN tables t ON t.oid = s.stxrelid
    UNION ALL SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c JOIN types t ON t.oid = c.contypid
), called(function) AS (
    SELECT CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid
                ELSE (SELECT o.oprcode::oid FROM pg_operator o WHERE o.oid = d.refobjid) END
    FROM pg_depend d JOIN objects o ON o.classid = d.classid AND o.objid = d.objid
    WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
)
SELECT EXISTS (SELECT FROM called c JOIN pg_proc p ON p.oid = c.function JOIN pg_roles r ON r.oid = p.proowner
               WHERE p.oid >= 16384 AND NOT r.rolsuper)
"""
"""Whether a function of a user's is called where a relation ($1) is planned, read, or taken as a parameter.

PostgreSQL evaluates constant parts of index predicates, keys and statistics while it plans, and the checks of a domain
whenever a value comes from outside. What PostgreSQL brings itself is not in pg_depend.
"""

COLUMNS = """
SELECT a.attname AS name, a.atttypid AS type_oid, c.reltype AS row_oid, t.typarray AS array_oid,
       n.nspname AS schema, c.relname AS relation
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = c.reltype
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = $1 ORDER BY a.attnum
"""
"""A relation's columns in order, with its row type and the array of that."""
