-- usertypes

--: postgres
SELECT id, twice(id) FROM t ORDER BY id
SELECT id FROM t WHERE twice(id) > 80 ORDER BY id
SELECT loud(t), loud('x') FROM t ORDER BY id
SELECT sum(twice(n2)) FROM t
SELECT id::positive, (id::positive) + 1 FROM t ORDER BY id
SELECT 'happy'::mood, CASE WHEN b THEN 'sad'::mood ELSE 'ok' END AS m FROM t ORDER BY id
SELECT id FROM t ORDER BY (CASE WHEN b THEN 'happy' ELSE 'sad' END)::mood, id
SELECT enum_range(NULL::mood), 'ok'::mood > 'sad'::mood FROM t WHERE id = 1
SELECT p.number, p.word FROM t, LATERAL make_pair(t.id, t.t) AS p ORDER BY 1
SELECT (make_pair(id, t)).word FROM t ORDER BY id
SELECT add(id, 5), add(a => id, b => 1), add(b => 2, a => id) FROM t ORDER BY id
SELECT total(1, id, 3), total(VARIADIC ARRAY[id, 2]) FROM t ORDER BY id
SELECT first_of(t, v::text), first_of(id, n4) FROM t ORDER BY id
SELECT id === n4 FROM t ORDER BY id
SELECT my_sum(id) FROM t
SELECT b, my_sum(id) FROM t GROUP BY b ORDER BY b
SELECT x FROM t, upto(t.id) AS x WHERE t.id < 4 ORDER BY t.id, x
SELECT lookup.word, t.t FROM lookup LEFT JOIN t ON t.id = lookup.id ORDER BY lookup.id
SELECT w.word FROM with_local w ORDER BY w.id
SELECT current_user = session_user, current_schema(), current_database() IS NOT NULL, version() LIKE 'PostgreSQL 18%' FROM t WHERE id = 1
SELECT current_setting('DateStyle'), id FROM t WHERE id = 1
SELECT pg_column_size(id), pg_typeof(labels), format_type(23, -1), has_table_privilege('u', 'SELECT') FROM t WHERE id = 1
SELECT obj_description('t'::regclass) IS NULL, col_description('t'::regclass, 1) IS NULL, id FROM t WHERE id < 3 ORDER BY id
SELECT c.relname, t.id FROM pg_class c JOIN t ON t.id = c.relnatts WHERE c.relname = 'u' ORDER BY 2
