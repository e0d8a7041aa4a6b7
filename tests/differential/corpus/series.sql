-- series

--: duckdb
SELECT x, y FROM (VALUES (1, 'one'), (2, 'two'), (NULL, 'none')) v(x, y) JOIN t ON t.id = v.x ORDER BY x
SELECT id FROM t WHERE (id, b) IN (VALUES (1, true), (2, false)) ORDER BY id
SELECT id FROM t WHERE id IN (VALUES (1), (5), (9)) ORDER BY id
SELECT count(*) FROM t, (VALUES (1), (2)) v
SELECT g, id FROM t, generate_series(1, 3) AS g WHERE t.id < 5
SELECT generate_series(1, id) FROM t WHERE id < 4
SELECT g, t.id FROM generate_series(1, 5) g LEFT JOIN t ON t.id = g ORDER BY g
SELECT g FROM generate_series(10, 1, -3) g, t WHERE t.id = 1 ORDER BY g
SELECT generate_series(1, 3) AS g, id FROM t WHERE id < 3 ORDER BY id, g
SELECT id, generate_series(1, 0) FROM t ORDER BY id
SELECT sum(g) FROM t, generate_series(1, 10) g WHERE t.id <= g
SELECT (SELECT sum(g) FROM generate_series(1, t.id) g) FROM t WHERE id < 6 ORDER BY id
SELECT q.o, q.v FROM t, unnest(ARRAY['x', 'y']) WITH ORDINALITY AS q(v, o) WHERE t.id = 1 ORDER BY o

--: postgres
SELECT g::date, count(t.id) FROM generate_series(TIMESTAMP '2026-03-07', '2026-03-09', '1 day') g LEFT JOIN t ON t.d = g::date GROUP BY g ORDER BY g
SELECT t.id, v.c FROM t LEFT JOIN (VALUES (1, 1.5), (3, 2)) v(k, c) ON v.k = t.id WHERE t.id < 5 ORDER BY t.id
SELECT t.id, s.a, s.b FROM t, ROWS FROM (generate_series(1, 2), generate_series(5, 7)) AS s(a, b) WHERE t.id = 1 ORDER BY 3
SELECT n FROM generate_series(1.0, 2.0, 0.5) n, t WHERE t.id = 1 ORDER BY n
