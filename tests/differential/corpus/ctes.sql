-- ctes

--: duckdb
WITH c AS (SELECT id, n4 FROM t WHERE b) SELECT count(*) FROM c
WITH c AS MATERIALIZED (SELECT id, n4 FROM t) SELECT id FROM c WHERE n4 > 1 ORDER BY id
WITH c AS NOT MATERIALIZED (SELECT id, n4 FROM t) SELECT a.id FROM c a JOIN c b ON a.id = b.n4 ORDER BY 1
WITH a AS (SELECT id FROM t), b AS (SELECT id FROM a WHERE id < 10), c AS (SELECT max(id) AS m FROM b) SELECT m FROM c
WITH c AS (SELECT b, count(*) AS n FROM t GROUP BY b) SELECT c.b, c.n, (SELECT sum(n) FROM c) FROM c ORDER BY b
WITH c AS (SELECT id FROM t) SELECT id FROM c UNION SELECT tid FROM u ORDER BY 1
WITH c(x, y) AS (SELECT id, t FROM t) SELECT x FROM c WHERE y LIKE 'a%' ORDER BY x
SELECT id FROM (WITH c AS (SELECT id FROM t WHERE id < 4) SELECT id FROM c) s ORDER BY id
SELECT id FROM t WHERE id IN (WITH c AS (SELECT tid FROM u WHERE flag) SELECT tid FROM c) ORDER BY id
WITH c AS (SELECT 1 AS one) SELECT c.one, t.id FROM c, t WHERE t.id < 3 ORDER BY 2
WITH u AS (SELECT id AS tid FROM t) SELECT count(*) FROM u JOIN t ON t.id = u.tid
WITH c AS (SELECT id, b FROM t), d AS (SELECT b, max(id) AS m FROM c GROUP BY b) SELECT c.id FROM c JOIN d ON c.id = d.m ORDER BY c.id
WITH c AS (SELECT * FROM u) SELECT id, name FROM c WHERE flag ORDER BY id
WITH c AS (SELECT id FROM t LIMIT 0) SELECT count(*) FROM c
WITH c AS (SELECT n4, row_number() OVER (ORDER BY n4, id) AS r FROM t) SELECT n4 FROM c WHERE r <= 5 ORDER BY r
WITH RECURSIVE c AS (SELECT id, tid FROM u WHERE id = 1 UNION SELECT u.id, u.tid FROM u JOIN c ON u.tid = c.id) SELECT * FROM c
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i, t.id FROM n JOIN t ON t.id = i
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5) SELECT t.id FROM t JOIN c ON c.i = t.id ORDER BY 1
WITH RECURSIVE c AS (SELECT id, tid, 1 AS depth FROM u WHERE id = 5 UNION ALL SELECT u.id, u.tid, c.depth + 1 FROM u JOIN c ON u.id = c.tid WHERE c.depth < 4) SELECT * FROM c ORDER BY depth, id
WITH RECURSIVE c AS (SELECT id, tid FROM u WHERE id < 4 UNION SELECT u.id, u.tid FROM u JOIN c ON u.id = c.tid) SELECT id FROM c ORDER BY id
WITH RECURSIVE c(id, tid, path) AS (SELECT id, tid, ARRAY[id] FROM u WHERE id < 3 UNION ALL SELECT u.id, u.tid, path || u.id FROM u JOIN c ON u.id = c.tid WHERE u.id <> ALL (path)) SELECT id, path FROM c ORDER BY path

--: postgres
WITH lookup AS (SELECT 1 AS id, 'zz' AS word) SELECT * FROM with_local, lookup l WHERE with_local.id = 1
WITH c AS (VALUES (1, 'a'), (2, 'b')) SELECT t.id, c.column2 FROM c JOIN t ON t.id = c.column1 ORDER BY 1
WITH RECURSIVE c(id, tid) AS (SELECT id, tid FROM u WHERE id < 4 UNION ALL SELECT u.id, u.tid FROM u JOIN c ON u.id = c.tid) SEARCH DEPTH FIRST BY id SET ord CYCLE id SET looped USING path SELECT id, looped FROM c ORDER BY id, looped
