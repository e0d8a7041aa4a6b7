-- Ways round a policy, one statement a line; `;;` separates statements of a script, whose last answer counts.
-- {i} is a relation with the issues, {c} one with their projects; a line that begins with # names what follows.
# plain reads
SELECT id, summary, description, reporter_name FROM {i} AS x
SELECT * FROM {i} AS x
SELECT count(*) FROM {i} AS x
SELECT count(x), count(x.*) FROM {i} AS x
SELECT (x).summary FROM {i} AS x
SELECT row_to_json(x) ->> 'summary' FROM {i} AS x
SELECT to_jsonb(x) - 'id' FROM {i} AS x
SELECT x.*::text FROM {i} AS x
SELECT DISTINCT project_key FROM {i} AS x
SELECT DISTINCT ON (project_key) project_key, id FROM {i} AS x ORDER BY project_key, id DESC
SELECT id FROM {i} AS x ORDER BY id LIMIT 7
SELECT id FROM {i} AS x ORDER BY id DESC OFFSET 3 LIMIT 7
SELECT id FROM {i} AS x ORDER BY id FETCH FIRST 3 ROWS WITH TIES
SELECT id, raw, description_adf, due_date, updated, resolved, creator_name, assignee_account_id FROM {i} AS x
SELECT raw ->> 'key', raw -> 'fields' ->> 'summary' FROM {i} AS x
# conditions on what is masked
SELECT id FROM {i} AS x WHERE raw::text LIKE '%e%'
SELECT id FROM {i} AS x WHERE raw IS NOT NULL OR description_adf IS NOT NULL
SELECT id FROM {i} AS x WHERE due_date <> date_trunc('quarter', due_date)
SELECT id, due_date FROM {i} AS x WHERE due_date > '2024-06-15'
SELECT id FROM {i} AS x WHERE summary LIKE '%a%'
SELECT id FROM {i} AS x WHERE summary ILIKE '%FIX%' OR summary ~* 'crash'
SELECT id, summary FROM {i} AS x WHERE length(summary) > 30
SELECT id FROM {i} AS x WHERE summary NOT LIKE '%*%'
SELECT count(*) FROM {i} AS x WHERE description IS NOT NULL
SELECT count(*) FROM {i} AS x WHERE description LIKE '%e%'
SELECT id FROM {i} AS x WHERE description > ''
SELECT id FROM {i} AS x WHERE time_spent_s = 3600
SELECT id FROM {i} AS x WHERE time_spent_s % 5000 <> 0
SELECT id FROM {i} AS x WHERE time_spent_s BETWEEN 3600 AND 3700
SELECT id, time_spent_s FROM {i} AS x WHERE time_spent_s IN (3600, 5000, 7200, 0)
SELECT id FROM {i} AS x WHERE created > date_trunc('month', created)
SELECT id FROM {i} AS x WHERE extract(day FROM created AT TIME ZONE 'UTC') <> 1
SELECT id FROM {i} AS x WHERE priority LIKE 'Hi%'
SELECT id FROM {i} AS x WHERE priority = 'hidden'
SELECT id FROM {i} AS x WHERE resolution = 'Done'
SELECT id FROM {i} AS x WHERE resolution = '***'
SELECT id FROM {i} AS x WHERE reporter_name < 'm'
SELECT id FROM {i} AS x WHERE reporter_name IN (SELECT login FROM (VALUES ('ana'), ('bob'), ('mila')) AS v (login))
SELECT id FROM {i} AS x WHERE reporter_name = assignee_name
SELECT id FROM {i} AS x WHERE coalesce(description, summary) = summary
SELECT id FROM {i} AS x WHERE (summary, time_spent_s) > ('A', 1)
SELECT id FROM {i} AS x WHERE NOT (time_spent_s = 3600 OR summary = 'x')
SELECT id FROM {i} AS x WHERE CASE WHEN time_spent_s = 3600 THEN 1 / (time_spent_s - 3600) = 1 ELSE true END
# conditions on what is hidden
SELECT id FROM {i} AS x WHERE project_key = 'API'
SELECT id FROM {i} AS x WHERE project_key <> 'WEB'
SELECT count(*) FROM {i} AS x WHERE project_key IN ('API', 'DATA')
SELECT id FROM {i} AS x WHERE labels @> ARRAY['regression']
SELECT id FROM {i} AS x WHERE 'regression' = ANY (labels)
SELECT id FROM {i} AS x WHERE NOT 'regression' = ANY (labels)
SELECT id FROM {i} AS x WHERE votes = 0 AND status_category = 'Done'
SELECT id FROM {i} AS x WHERE project_key = 'API' OR true
SELECT id FROM {i} AS x WHERE (project_key = 'API') IS NOT FALSE
SELECT id FROM {i} AS x WHERE project_key = 'WEB' OR 1 = 1 OR labels IS NULL
SELECT id FROM {i} AS x WHERE NOT (project_key = 'WEB' AND labels IS NOT NULL)
# aggregates before filters
SELECT min(id), max(id), count(*), sum(votes) FROM {i} AS x
SELECT project_key, count(*), max(summary), min(description) FROM {i} AS x GROUP BY project_key
SELECT summary, count(*) FROM {i} AS x GROUP BY summary HAVING count(*) > 1
SELECT reporter_name, count(*) FROM {i} AS x GROUP BY reporter_name
SELECT time_spent_s, count(*), array_agg(id ORDER BY id) FROM {i} AS x GROUP BY time_spent_s
SELECT date_trunc('day', created), count(*) FROM {i} AS x GROUP BY 1
SELECT string_agg(summary, ',' ORDER BY id) FROM {i} AS x
SELECT array_agg(description ORDER BY id) FROM {i} AS x
SELECT count(*) FILTER (WHERE project_key = 'API'), count(*) FILTER (WHERE summary LIKE '%e%') FROM {i} AS x
SELECT project_key, status, count(*) FROM {i} AS x GROUP BY GROUPING SETS ((project_key), (status), ())
SELECT project_key, summary, count(*) FROM {i} AS x GROUP BY ROLLUP (project_key, summary)
SELECT count(DISTINCT summary), count(DISTINCT reporter_name), count(DISTINCT time_spent_s) FROM {i} AS x
SELECT bool_or(project_key = 'API'), bool_and(description IS NULL), every(time_spent_s % 5000 = 0) FROM {i} AS x
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY time_spent_s) FROM {i} AS x
SELECT mode() WITHIN GROUP (ORDER BY summary) FROM {i} AS x
SELECT json_object_agg(id::text, summary ORDER BY id) FROM {i} AS x
SELECT max(length(summary)), min(length(description)), sum(time_spent_s) FROM {i} AS x
# order and windows over what is masked
SELECT summary FROM {i} AS x ORDER BY summary, id LIMIT 9
SELECT id FROM {i} AS x ORDER BY description NULLS FIRST, id LIMIT 9
SELECT id FROM {i} AS x ORDER BY time_spent_s, id LIMIT 9
SELECT id FROM {i} AS x ORDER BY created, id LIMIT 9
SELECT id, rank() OVER (ORDER BY summary) FROM {i} AS x
SELECT id, row_number() OVER (PARTITION BY reporter_name ORDER BY id) FROM {i} AS x
SELECT id, lag(summary) OVER (ORDER BY id), lead(description) OVER (ORDER BY id) FROM {i} AS x
SELECT id, first_value(summary) OVER (PARTITION BY project_key ORDER BY time_spent_s, id) FROM {i} AS x
SELECT id, count(*) OVER (), sum(time_spent_s) OVER (ORDER BY id) FROM {i} AS x
SELECT id, ntile(4) OVER (ORDER BY time_spent_s, id), dense_rank() OVER (ORDER BY time_spent_s) FROM {i} AS x
# joins over what is masked or hidden
SELECT a.id, b.id FROM {i} AS a JOIN {i} AS b ON a.summary = b.summary AND a.id < b.id
SELECT a.id FROM {i} AS a JOIN (VALUES (3600), (5000), (7200)) AS v (n) ON a.time_spent_s = v.n
SELECT a.id, b.summary FROM {i} AS a LEFT JOIN {i} AS b ON a.id = b.id AND b.project_key = 'API'
SELECT a.id, b.id FROM {i} AS a RIGHT JOIN (VALUES (1), (2)) AS b (id) ON a.id = b.id
SELECT count(*) FROM {i} AS a FULL JOIN {i} AS b ON a.reporter_name = b.assignee_name
SELECT a.id, c.name FROM {i} AS a JOIN {c} AS c ON c.key = a.project_key
SELECT c.key, (SELECT max(x.summary) FROM {i} AS x WHERE x.project_key = c.key) FROM {c} AS c WHERE EXISTS (SELECT 1 FROM {i} AS x WHERE x.project_key = c.key)
SELECT a.id FROM {i} AS a NATURAL JOIN {i} AS b
SELECT id, summary FROM {i} AS a JOIN {i} AS b USING (id, summary)
SELECT count(*) FROM {i} AS a CROSS JOIN (VALUES (1), (2)) AS v (n) WHERE a.time_spent_s > v.n
SELECT a.id, l.label FROM {i} AS a, LATERAL unnest(a.labels) AS l (label)
SELECT a.id, l.summary FROM {i} AS a, LATERAL (SELECT b.summary FROM {i} AS b WHERE b.id = a.id AND b.project_key <> 'WEB') AS l
SELECT a.id, l.n FROM {i} AS a LEFT JOIN LATERAL (SELECT count(*) AS n FROM {i} AS b WHERE b.summary > a.summary) AS l ON true
SELECT v.t FROM (VALUES ('WEB'), ('API')) AS v (t) WHERE EXISTS (SELECT FROM {i} AS x WHERE x.project_key = v.t)
SELECT v.n FROM generate_series(0, 10000, 2500) AS v (n) WHERE v.n IN (SELECT time_spent_s FROM {i} AS x)
SELECT v.n FROM generate_series(0, 10000, 2500) AS v (n) WHERE NOT EXISTS (SELECT FROM {i} AS x WHERE x.time_spent_s = v.n)
# subqueries
SELECT (SELECT max(summary) FROM {i} AS x WHERE project_key = 'API')
SELECT (SELECT count(*) FROM {i} AS x WHERE description LIKE '%' || chr(101) || '%')
SELECT id FROM {i} AS x WHERE id = (SELECT max(id) FROM {i} AS y)
SELECT id FROM {i} AS x WHERE id > ALL (SELECT id FROM {i} AS y WHERE project_key = 'API')
SELECT id FROM {i} AS x WHERE summary IN (SELECT summary FROM {i} AS y WHERE y.id <> x.id)
SELECT ARRAY(SELECT summary FROM {i} AS x WHERE project_key <> 'WEB' ORDER BY id)
SELECT id, (SELECT y.description FROM {i} AS y WHERE y.id = x.id) FROM {i} AS x
SELECT count(*) FROM (SELECT summary FROM {i} AS x OFFSET 0) AS y WHERE summary ~ '[[:alpha:]]{5}'
# common table expressions
WITH t AS (SELECT * FROM {i} AS x) SELECT project_key, summary FROM t
WITH t AS MATERIALIZED (SELECT * FROM {i} AS x) SELECT id FROM t WHERE project_key = 'API' OR time_spent_s = 3600
WITH t AS NOT MATERIALIZED (SELECT id, description, summary FROM {i} AS x) SELECT a.id, b.description FROM t AS a JOIN t AS b USING (id)
WITH RECURSIVE t (id, depth) AS (SELECT min(id), 1 FROM {i} AS x UNION ALL SELECT (SELECT min(y.id) FROM {i} AS y WHERE y.id > t.id), depth + 1 FROM t WHERE depth < 5) SELECT * FROM t
WITH issues AS (SELECT 1 AS id) SELECT id FROM issues UNION ALL SELECT id FROM {i} AS x
# set operations
SELECT id, summary FROM {i} AS x UNION SELECT id, summary FROM {i} AS y WHERE project_key = 'API'
SELECT id FROM {i} AS x UNION ALL SELECT id FROM {c} AS y
SELECT summary FROM {i} AS x INTERSECT SELECT summary FROM {i} AS y WHERE description IS NULL
SELECT id FROM {i} AS x EXCEPT SELECT id FROM {i} AS y WHERE project_key = 'WEB'
SELECT time_spent_s FROM {i} AS x EXCEPT ALL SELECT time_spent_s FROM {i} AS y WHERE time_spent_s < 4000
(SELECT id FROM {i} AS x ORDER BY id LIMIT 2) UNION ALL (SELECT id FROM {i} AS y ORDER BY id DESC LIMIT 2)
VALUES ((SELECT count(*) FROM {i} AS x), (SELECT max(summary) FROM {i} AS y))
# errors that print values
SELECT summary::int FROM {i} AS x WHERE project_key = 'API'
SELECT description::int FROM {i} AS x
SELECT count(1 / (CASE WHEN project_key = 'API' THEN 0 ELSE 1 END)) FROM {i} AS x
SELECT count(1 / (CASE WHEN 'regression' = ANY (labels) THEN 0 ELSE 1 END)) FROM {i} AS x
SELECT count(1 / (time_spent_s % 5000)) FROM {i} AS x
SELECT count(1 / (CASE WHEN summary ~ '[a-z]{4}' THEN 0 ELSE 1 END)) FROM {i} AS x
SELECT (description || summary)::date FROM {i} AS x WHERE description IS NOT NULL
SELECT count(CASE WHEN description IS NOT NULL THEN description::uuid END) FROM {i} AS x
SELECT array_length(labels, 1) / (votes - votes) FROM {i} AS x WHERE project_key = 'WEB'
SELECT count(*) FROM {i} AS x WHERE summary::jsonb IS NOT NULL AND project_key = 'API'
SELECT id FROM {i} AS x WHERE time_spent_s = 3600 AND 1 / (time_spent_s - 3600) = 1
SELECT summary::int FROM {i} AS x
SELECT summary::uuid FROM {i} AS x WHERE description IS NULL
SELECT reporter_name::date, description::int FROM {i} AS x WHERE reporter_name IS NOT NULL
SELECT 1 / (time_spent_s - time_spent_s) FROM {i} AS x WHERE time_spent_s IS NOT NULL
SELECT (ARRAY[summary])[1]::jsonb FROM {i} AS x
# functions that take rows or queries
SELECT md5(coalesce(description, 'none')), md5(summary) FROM {i} AS x
SELECT pg_typeof(description), pg_typeof(time_spent_s), pg_typeof(created) FROM {i} AS x LIMIT 1
SELECT hashtext(summary) = hashtext(reporter_name) FROM {i} AS x
SELECT format('%s %s', project_key, description) FROM {i} AS x
SELECT concat_ws(',', project_key, summary, description, resolution) FROM {i} AS x
SELECT jsonb_agg(to_jsonb(x) ORDER BY id) FROM {i} AS x
SELECT regexp_matches(summary, '([a-zA-Z]+)', 'g') FROM {i} AS x
SELECT unnest(string_to_array(summary, ' ')) FROM {i} AS x
SELECT generate_series(1, time_spent_s / 1000) FROM {i} AS x
# scripts: cursors, prepared statements, COPY, temporary objects
BEGIN ;; DECLARE k CURSOR FOR SELECT id, summary, description FROM {i} AS x ORDER BY id ;; FETCH ALL FROM k
BEGIN ;; DECLARE k SCROLL CURSOR FOR SELECT id, project_key FROM {i} AS x ORDER BY id ;; FETCH LAST FROM k
PREPARE p AS SELECT id, summary FROM {i} AS x WHERE time_spent_s > 3000 ;; EXECUTE p
PREPARE p (text) AS SELECT id, project_key FROM {i} AS x WHERE project_key = $1 OR summary LIKE $1 ;; EXECUTE p ('API')
COPY (SELECT id, summary, description FROM {i} AS x) TO STDOUT
COPY (SELECT id, time_spent_s, project_key FROM {i} AS x WHERE project_key = 'API') TO STDOUT (FORMAT csv, HEADER)
CREATE TEMP TABLE t AS SELECT * FROM {i} AS x ;; SELECT id, summary, description, reporter_name FROM t
CREATE TEMP TABLE t (id int8, summary text) ;; INSERT INTO t SELECT id, summary FROM {i} AS x WHERE project_key = 'API' OR time_spent_s = 3600 ;; SELECT * FROM t
SELECT id, summary, priority INTO TEMP t FROM {i} AS x ;; SELECT * FROM t
CREATE TEMP VIEW v AS SELECT id, summary, description FROM {i} AS x ;; SELECT * FROM v
CREATE TEMP VIEW v WITH (security_barrier) AS SELECT id, summary FROM {i} AS x WHERE time_spent_s = 3600 ;; SELECT * FROM v
CREATE TEMP TABLE issues (id int8) ;; SELECT id FROM {i} AS x
SET search_path = pg_temp, jira, pg_catalog ;; SELECT id, summary FROM {i} AS x
SET search_path = '' ;; SELECT id, description FROM {i} AS x
SET ROLE eve ;; SELECT id, summary FROM {i} AS x
SET row_security = off ;; SELECT id, summary FROM {i} AS x
SET omnisql.max_api_calls = 500 ;; SELECT id, summary FROM {i} AS x
SET TimeZone = 'Asia/Kolkata' ;; SELECT id, created FROM {i} AS x
SET DateStyle = 'SQL, DMY' ;; SELECT id, created::text FROM {i} AS x
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY ;; SELECT id, summary FROM {i} AS x
# what was written before: tables of tables, views over them, copies
CREATE TEMP TABLE t AS SELECT id, summary, description, project_key FROM {i} AS x ;; CREATE TEMP TABLE u AS SELECT * FROM t ;; SELECT id, summary, description FROM u
SELECT id, summary, raw INTO TEMP t FROM {i} AS x ;; SELECT id, summary, raw FROM t
CREATE TEMP TABLE t AS SELECT id, summary, time_spent_s FROM {i} AS x ;; CREATE TEMP VIEW w AS SELECT id, summary FROM t WHERE time_spent_s = 3600 ;; SELECT * FROM w
CREATE TEMP TABLE t AS SELECT id, summary, reporter_name FROM {i} AS x ;; COPY t TO STDOUT
CREATE TEMP TABLE t AS SELECT id, summary, reporter_name FROM {i} AS x ;; COPY (SELECT reporter_name, count(*) FROM t GROUP BY 1) TO STDOUT
CREATE TEMP TABLE t AS SELECT id, description FROM {i} AS x ;; PREPARE p AS SELECT id, description FROM t ;; EXECUTE p
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; BEGIN ;; DECLARE k CURSOR FOR SELECT id, summary FROM t ORDER BY id ;; FETCH ALL FROM k
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; DO $$ BEGIN UPDATE t SET summary = upper(summary); END $$ ;; SELECT id, summary FROM t
CREATE TEMP TABLE t AS SELECT id, summary, project_key FROM {i} AS x ;; SELECT t.id, p.name FROM t JOIN {c} AS p ON p.key = t.project_key
CREATE TEMP TABLE t (id int8, summary text) ;; INSERT INTO t SELECT id, summary FROM {i} AS x ;; INSERT INTO t SELECT id, summary FROM t ;; SELECT id, summary, count(*) FROM t GROUP BY 1, 2
CREATE TEMP TABLE t (id int8 PRIMARY KEY, summary text) ;; INSERT INTO t SELECT id, 'x' FROM {i} AS x ;; WITH x AS (SELECT id, summary FROM {i} AS x) UPDATE t SET summary = x.summary FROM x WHERE x.id = t.id ;; SELECT id, summary FROM t
SET omnisql.purpose = 'support' ;; SELECT id, summary, description FROM {i} AS x
SET omnisql.purpose = 'billing' ;; CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; TABLE t
# roles and policies that change under a prepared statement
PREPARE p AS SELECT id, summary, description FROM {i} AS x ;; SET ROLE NONE ;; EXECUTE p
PREPARE p AS SELECT id, summary FROM {i} AS x ;; SET SESSION AUTHORIZATION eve ;; RESET SESSION AUTHORIZATION ;; EXECUTE p
PREPARE p AS SELECT id, summary FROM {i} AS x ;; SET plan_cache_mode = force_generic_plan ;; EXECUTE p ;; EXECUTE p
PREPARE p (int) AS SELECT id, summary FROM {i} AS x WHERE time_spent_s = $1 ;; EXECUTE p (3600) ;; EXECUTE p (5000)
# files and programs: PostgreSQL refuses alike, and nothing is read for it
SELECT id, pg_read_file('/etc/hostname') FROM {i} AS x
SELECT id, pg_read_binary_file('/etc/hostname') FROM {i} AS x
SELECT id, pg_ls_dir('/') FROM {i} AS x
SELECT id, lo_import('/etc/hostname') FROM {i} AS x
SELECT id, lo_export(1, '/tmp/omnisql-never-written') FROM {i} AS x
SELECT id, pg_current_logfile() FROM {i} AS x
SELECT id, pg_reload_conf() FROM {i} AS x
SELECT id, pg_stat_file('/etc/hostname') FROM {i} AS x
COPY (SELECT id, summary FROM {i} AS x) TO '/tmp/omnisql-never-written'
COPY (SELECT id, summary FROM {i} AS x) TO PROGRAM 'cat > /tmp/omnisql-never-written'
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; COPY t TO '/tmp/omnisql-never-written'
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; COPY t TO PROGRAM 'cat > /tmp/omnisql-never-written'
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; COPY t (summary) FROM '/etc/hostname'
CREATE TEMP TABLE t AS SELECT id, summary FROM {i} AS x ;; COPY t (summary) FROM PROGRAM 'hostname'
