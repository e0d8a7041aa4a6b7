-- lateral

--: duckdb
SELECT t.id, s.n FROM t LEFT JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.tid = t.id) s ON true
SELECT t.id, s.c FROM t, LATERAL (SELECT count(*) AS c FROM u WHERE u.tid = t.id) s ORDER BY t.id
SELECT t.id, s.name FROM t LEFT JOIN LATERAL (SELECT name FROM u WHERE u.tid = t.id ORDER BY u.id DESC LIMIT 1) s ON true ORDER BY t.id
SELECT t.id, s.x FROM t CROSS JOIN LATERAL (SELECT t.id * 2 AS x) s ORDER BY t.id
SELECT t.id, s.m FROM t JOIN LATERAL (SELECT max(u.n8) AS m FROM u WHERE u.id <= t.id) s ON s.m IS NOT NULL ORDER BY t.id
SELECT a.id, b.id FROM t a, LATERAL (SELECT u.id FROM u WHERE u.tid = a.id OFFSET 1) b ORDER BY 1, 2
SELECT t.id, s.id FROM t, LATERAL (SELECT id FROM u WHERE u.n8 = t.n8 UNION ALL SELECT 0) s ORDER BY 1, 2
SELECT t.id, x.n FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.tid = t.id) x WHERE x.n > 1 ORDER BY t.id
SELECT t.id, l FROM t CROSS JOIN LATERAL unnest(t.labels) AS l ORDER BY t.id, l
SELECT t.id, l.v, l.n FROM t, unnest(t.labels) WITH ORDINALITY AS l(v, n) ORDER BY t.id, l.n
SELECT t.id, g FROM t, generate_series(1, t.id) g WHERE t.id < 4 ORDER BY 1, 2

--: postgres
SELECT m.id, k, v FROM m, LATERAL jsonb_each(CASE jsonb_typeof(m.j) WHEN 'object' THEN m.j END) AS e(k, v) ORDER BY 1, 2
SELECT t.id, w FROM t, regexp_split_to_table(t.t, '[^a-z]+') AS w WHERE w <> '' ORDER BY 1, 2
SELECT t.id, y.a, y.b FROM t, LATERAL (VALUES (t.id, 'x'), (t.id + 1, 'y')) y(a, b) WHERE t.id < 3 ORDER BY 1, 2
