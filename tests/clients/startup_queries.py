"""What tools that cannot run in a test ask PostgreSQL when they connect and browse; written from public knowledge.

The names of schemas and tables are the demo's.
"""

from __future__ import annotations

TOOLS: dict[str, tuple[str, ...]] = {
    "DBeaver": (
        "SET extra_float_digits = 3",
        "SELECT current_schema(), session_user",
        "SELECT version()",
        "SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d"
        " ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname",
        "SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR"
        " db.datname = 'acme'",
        "SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name,"
        " d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem"
        " LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d"
        " ON t.oid = d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c')"
        " AND (et.typcategory IS NULL OR et.typcategory <> 'C')",
        "SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr,"
        " pg_catalog.pg_get_partkeydef(c.oid) AS partition_key FROM pg_catalog.pg_class c"
        " LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0"
        " AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = 'jira'::regnamespace"
        " AND c.relkind NOT IN ('i', 'I', 'c')",
        "SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value,"
        " dsc.description, dep.objid"
        " FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON a.attrelid = c.oid"
        " LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum"
        " LEFT OUTER JOIN pg_catalog.pg_description dsc ON c.oid = dsc.objoid AND a.attnum = dsc.objsubid"
        " LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i'"
        " AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid"
        " WHERE NOT a.attisdropped AND c.oid = 'jira.issues'::regclass ORDER BY a.attnum",
        "SELECT fs.*, fdw.fdwname FROM pg_catalog.pg_foreign_server fs"
        " JOIN pg_catalog.pg_foreign_data_wrapper fdw ON fdw.oid = fs.srvfdw",
        "SELECT a.oid, a.*, pd.description FROM pg_catalog.pg_roles a LEFT JOIN pg_catalog.pg_shdescription pd"
        " ON a.oid = pd.objoid ORDER BY a.rolname",
        "SELECT * FROM jira.boards x LIMIT 200",
    ),
    "Metabase": (
        "SHOW TRANSACTION ISOLATION LEVEL",
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
        "SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN"
        " 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' END"
        " AS type, d.description, NULLIF(stat.n_live_tup, 0) AS estimated_row_count FROM pg_catalog.pg_class c"
        " INNER JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid LEFT JOIN pg_catalog.pg_description d"
        " ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass"
        " LEFT JOIN pg_stat_user_tables stat ON n.nspname = stat.schemaname AND c.relname = stat.relname"
        " WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " AND c.relkind IN ('r', 'p', 'v', 'f', 'm') ORDER BY type, schema, name",
        "WITH table_privileges AS (SELECT NULL AS role, t.schemaname AS schema, t.objectname AS table,"
        " pg_catalog.has_any_column_privilege(current_user, '\"' || replace(t.schemaname, '\"', '\"\"') || '\".\"' ||"
        " replace(t.objectname, '\"', '\"\"') || '\"', 'update') AS update,"
        " pg_catalog.has_any_column_privilege(current_user, '\"' || replace(t.schemaname, '\"', '\"\"') || '\".\"' ||"
        " replace(t.objectname, '\"', '\"\"') || '\"', 'select') AS select FROM (SELECT schemaname, tablename"
        " AS objectname"
        " FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname FROM pg_views UNION SELECT schemaname,"
        " matviewname"
        " FROM pg_matviews UNION SELECT foreign_table_schema, foreign_table_name FROM"
        " information_schema.foreign_tables) t"
        " WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema'"
        " AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage'))"
        " SELECT t.* FROM table_privileges t WHERE t.select OR t.update",
        'SELECT c.column_name AS name, c.udt_name AS "database-type", c.ordinal_position - 1 AS "database-position",'
        ' c.table_schema AS "table-schema", c.table_name AS "table-name", pk.column_name IS NOT NULL AS "pk?",'
        " col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT))"
        " AS regclass)"
        ' AS oid), c.ordinal_position) AS "field-comment" FROM information_schema.columns AS c LEFT JOIN'
        " (SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc"
        " INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name"
        " AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name"
        " WHERE tc.constraint_type = 'PRIMARY KEY') AS pk ON c.table_schema = pk.table_schema"
        " AND c.table_name = pk.table_name AND c.column_name = pk.column_name"
        " WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('jira')",
        "SELECT nspname, typname, array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum e JOIN pg_type t"
        " ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace GROUP BY 1, 2",
        'SELECT "jira"."boards"."id" AS "id", SUBSTRING("jira"."boards"."name", 1, 1234) AS "substring1"'
        ' FROM "jira"."boards" LIMIT 10000',
        'SELECT DATE_TRUNC(\'month\', "jira"."issues"."created") AS "created", COUNT(*) AS "count" FROM "jira"."issues"'
        ' WHERE "jira"."issues"."project_key" = \'WEB\' GROUP BY 1 ORDER BY 1 ASC',
    ),
    "Tableau": (
        "SET client_encoding TO 'UTF8'",
        "SELECT oid, typbasetype FROM pg_type WHERE typname = 'lo'",
        "SELECT NULL::text AS PKTABLE_CAT, n.nspname, c.relname FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c"
        " WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND n.nspname = 'jira'",
        "SELECT current_schema()",
        "BEGIN",
        'DECLARE "SQL_CUR0x1" CURSOR WITH HOLD FOR SELECT "boards"."name" AS "name", SUM(1) AS "n" FROM "jira"."boards"'
        ' "boards" GROUP BY 1',
        'FETCH 10 IN "SQL_CUR0x1"',
        'CLOSE "SQL_CUR0x1"',
        "COMMIT",
        'CREATE LOCAL TEMPORARY TABLE "#Tableau_1" ("COL" INTEGER) ON COMMIT PRESERVE ROWS',
        'INSERT INTO "#Tableau_1" SELECT 1 AS "COL"',
        'DROP TABLE "#Tableau_1"',
        'SELECT "boards"."name" AS "name" FROM "jira"."boards" "boards" LIMIT 1',
        'SELECT AVG(CAST("t0"."n" AS DOUBLE PRECISION)) AS "avg" FROM (SELECT "boards"."type" AS "type",'
        ' COUNT(1) AS "n"'
        ' FROM "jira"."boards" "boards" GROUP BY 1) "t0"',
    ),
    "Power BI": (
        "SELECT version(); SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (SELECT"
        " typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,"
        " elemtyp.oid AS"
        " elemtypoid FROM (SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,"
        " CASE WHEN proc.proname = 'array_recv' THEN 'a' ELSE typ.typtype END AS typtype FROM pg_type AS typ"
        " LEFT JOIN pg_class AS cls ON cls.oid = typ.typrelid LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive"
        " LEFT JOIN pg_range ON pg_range.rngtypid = typ.oid) AS typ LEFT JOIN pg_type AS elemtyp"
        " ON elemtyp.oid = elemoid) AS t JOIN pg_namespace AS ns ON ns.oid = t.typnamespace WHERE t.typtype IN"
        " ('b', 'r', 'm', 'e', 'd', 'a')",
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.tables"
        " WHERE TABLE_SCHEMA NOT IN ('information_schema', 'pg_catalog') ORDER BY TABLE_SCHEMA, TABLE_NAME",
        "SELECT COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, CASE WHEN (data_type LIKE '%unsigned%') THEN DATA_TYPE ||"
        " ' unsigned' ELSE DATA_TYPE END AS DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'jira'"
        " AND TABLE_NAME = 'issues' ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION",
        'SELECT "$Table"."id" AS "id", "$Table"."name" AS "name" FROM "jira"."boards" "$Table" LIMIT 1000',
        'SELECT "_"."type", COUNT("_"."id") AS "a0" FROM (SELECT "id", "type" FROM "jira"."boards" "$Table") "_"'
        ' GROUP BY "_"."type" LIMIT 1000001',
        "DISCARD ALL",
    ),
    "Grafana": (
        "SELECT 1",
        "SELECT current_setting('server_version_num')::int / 100 AS version",
        "SELECT CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE"
        " trim(s[i]) END FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),"
        " array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,"
        " string_to_array(current_setting('search_path'), ',') s) THEN quote_ident(table_name) ELSE"
        " quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" FROM information_schema.tables"
        " WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY 1",
        'SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns'
        " WHERE quote_ident(table_name) = 'issues' AND table_schema = 'jira'",
        'SELECT floor(extract(epoch from created)/86400)*86400 AS "time", count(*) AS "value" FROM jira.issues'
        " WHERE project_key = 'WEB' AND created BETWEEN '2001-01-01T00:00:00Z' AND '2040-01-01T00:00:00Z'"
        " GROUP BY 1 ORDER BY 1",
    ),
}
