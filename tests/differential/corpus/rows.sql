-- rows

--: duckdb
SELECT id FROM t WHERE (id, n8) IN (SELECT id, n8 FROM u)
SELECT id FROM t WHERE (id, n4) = (3, 5) OR (id, n4) < (2, 9) ORDER BY id
SELECT id FROM t WHERE (b, id) > (false, 30) ORDER BY id
SELECT id FROM t WHERE (n4, t) IS DISTINCT FROM (5, 'a') ORDER BY id
SELECT id FROM t WHERE (n4, n2) IN ((1, 7), (5, 0), (42, NULL)) ORDER BY id
SELECT id FROM t WHERE (id, 'x'::text) = ANY (ARRAY[ROW(1, 'x'::text), ROW(2, 'y'::text)]) ORDER BY id

--: postgres
SELECT u FROM u
SELECT (n4, t) = (5, 'a'), ROW(n4, t) FROM t
SELECT id FROM t WHERE ROW(n4, n2) IS NULL ORDER BY id
SELECT id FROM t WHERE ROW(n4, n2) IS NOT NULL ORDER BY id
SELECT ROW(id, t) FROM t ORDER BY id
SELECT (ROW(id, t, NULL)).f2 FROM t ORDER BY id
SELECT (id, t)::pair FROM t ORDER BY id
SELECT ((id, t)::pair).word FROM t ORDER BY id
SELECT (p).number, (p).word FROM (SELECT ROW(id, t)::pair AS p FROM t) s ORDER BY 1
SELECT t FROM u AS t ORDER BY t.id
SELECT row_to_json(u) FROM u ORDER BY id
SELECT to_jsonb(s) FROM (SELECT id, b FROM t) s ORDER BY id
SELECT u.*::text FROM u ORDER BY id
SELECT count(*) FROM u WHERE u IS NOT NULL
SELECT id FROM t WHERE (id, id + 1) BETWEEN (2, 0) AND (4, 9) ORDER BY id
SELECT (DATE '2026-01-01', DATE '2026-12-31') OVERLAPS (d, d + 30) FROM t ORDER BY id
SELECT min(x) FROM (SELECT ROW(n2, id) AS x FROM t) s
SELECT pg_typeof(x), pg_typeof(x.*), x FROM u x WHERE id < 4 ORDER BY id
SELECT pg_typeof(r), (r).id FROM (SELECT x.*::u AS r FROM u x) s ORDER BY 2
SELECT t.id, pg_typeof(x), x IS NULL FROM t LEFT JOIN u x ON x.id = t.id AND x.id < 3 ORDER BY t.id
