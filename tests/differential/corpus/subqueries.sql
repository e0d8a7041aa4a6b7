-- subqueries

--: duckdb
SELECT t.id, (SELECT count(*) FROM u WHERE u.tid = t.id) FROM t
SELECT t.id, (SELECT max(name) FROM u WHERE u.tid = t.id) FROM t
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.tid = t.id AND u.name > t.t)
SELECT id FROM t WHERE NOT EXISTS (SELECT * FROM u WHERE u.tid = t.id)
SELECT id FROM t WHERE id NOT IN (SELECT tid FROM u)
SELECT id FROM t WHERE id NOT IN (SELECT tid FROM u WHERE tid IS NOT NULL)
SELECT id FROM t WHERE t IN (SELECT name FROM u)
SELECT a.id FROM t a WHERE EXISTS (SELECT 1 FROM u WHERE u.tid = a.id AND EXISTS (SELECT 1 FROM t c WHERE c.id = u.id AND c.n4 > a.n4))
SELECT id FROM t ORDER BY (SELECT max(u.n8) FROM u WHERE u.tid = t.id) NULLS FIRST, id
SELECT id FROM t WHERE n4 = (SELECT max(n4) FROM t)
WITH c AS (SELECT id, n4 FROM t WHERE n4 > 0), d AS (SELECT * FROM c WHERE id > 3) SELECT c.id, d.n4 FROM c LEFT JOIN d ON c.id = d.id ORDER BY 1
WITH t AS (SELECT id FROM app.t WHERE id < 5) SELECT * FROM t
WITH c(a, b) AS (SELECT id, t FROM t) SELECT a FROM c WHERE b = 'a'
SELECT s.n FROM (SELECT count(*) AS n, b FROM t GROUP BY b) AS s WHERE s.b ORDER BY 1
SELECT id, (SELECT name FROM u WHERE u.id = t.id) FROM t ORDER BY id
SELECT id, (SELECT count(*) FROM u WHERE u.n8 < t.n8) FROM t ORDER BY id
SELECT id, (SELECT max(x.id) FROM t x WHERE x.b = t.b AND x.id < t.id) FROM t ORDER BY id
SELECT id FROM t WHERE (SELECT count(*) FROM u WHERE u.tid = t.id) > 1 ORDER BY id
SELECT id FROM t WHERE n4 < ANY (SELECT id FROM u WHERE id < 3) ORDER BY id
SELECT id FROM t WHERE n4 >= SOME (SELECT id FROM u) ORDER BY id
SELECT id FROM t WHERE n4 = ANY (SELECT id FROM u WHERE false) ORDER BY id
SELECT id, EXISTS (SELECT 1 FROM u WHERE u.tid = t.id) FROM t ORDER BY id
SELECT id FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.tid = t.id AND u.flag) ORDER BY id
SELECT id, n4 IN (SELECT id FROM u) FROM t ORDER BY id
SELECT id, n4 NOT IN (SELECT tid FROM u) FROM t ORDER BY id
SELECT (SELECT t.t || '!') FROM t ORDER BY id
SELECT (SELECT 1 WHERE t.b) FROM t ORDER BY id
SELECT id FROM t WHERE id = (SELECT min(id) FROM u WHERE flag)
SELECT id FROM t WHERE t = (SELECT name FROM u WHERE id = 3) ORDER BY id
SELECT s.id, s.k FROM (SELECT id, (SELECT count(*) FROM u WHERE u.tid = t.id) AS k FROM t) s WHERE s.k > 0 ORDER BY s.id
SELECT id FROM t a WHERE n4 = (SELECT max(n4) FROM t b WHERE b.b = a.b) ORDER BY id
SELECT id FROM t a WHERE id IN (SELECT tid FROM u WHERE u.n8 > a.n8) ORDER BY id
SELECT id FROM t WHERE n4 IN (SELECT id FROM u WHERE flag) OR n2 IN (SELECT id FROM u WHERE NOT flag) ORDER BY id
SELECT id FROM t WHERE id IN (SELECT max(id) FROM t GROUP BY b) ORDER BY id
SELECT id FROM t WHERE id IN (SELECT id FROM t ORDER BY id DESC LIMIT 3) ORDER BY id
SELECT coalesce((SELECT name FROM u WHERE u.tid = t.id AND u.flag ORDER BY id LIMIT 1), 'none') FROM t ORDER BY id
SELECT CASE WHEN EXISTS (SELECT 1 FROM u WHERE u.tid = t.id) THEN 'yes' ELSE 'no' END FROM t ORDER BY id
SELECT b, (SELECT count(*) FROM u WHERE u.flag = t.b) FROM t GROUP BY b ORDER BY b
SELECT sum((SELECT count(*) FROM u WHERE u.tid = t.id)) FROM t
SELECT id FROM t WHERE (SELECT b) ORDER BY id
SELECT count(*) FROM t HAVING count(*) > (SELECT count(*) FROM u WHERE flag)
SELECT id FROM t ORDER BY (SELECT count(*) FROM u WHERE u.tid = t.id) DESC, id
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.tid = t.id GROUP BY u.flag HAVING count(*) > 1) ORDER BY id
SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u)
SELECT x.n FROM (SELECT (SELECT max(id) FROM u) AS n) x
SELECT (SELECT string_agg(name, '|' ORDER BY id) FROM u WHERE u.tid = t.id) FROM t ORDER BY t.id
SELECT id FROM t WHERE n4 > ALL (SELECT id FROM u WHERE id < 5) ORDER BY id
SELECT id FROM t WHERE n4 <= ALL (SELECT n4 FROM t WHERE n4 IS NOT NULL) ORDER BY id
SELECT id FROM t WHERE n4 <> ALL (SELECT tid FROM u WHERE tid IS NOT NULL) ORDER BY id
SELECT id FROM t WHERE n4 = ALL (SELECT id FROM u WHERE false) ORDER BY id
SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.tid = t.id) ORDER BY id
SELECT id FROM t WHERE (id, t) IN (SELECT tid, name FROM u) ORDER BY id
SELECT id FROM t WHERE (id, b) = ANY (SELECT tid, flag FROM u) ORDER BY id

--: postgres
SELECT id FROM t WHERE (n4, n2) NOT IN (SELECT id, id FROM u) ORDER BY id
SELECT id FROM t WHERE ROW(id, id) = (SELECT max(id), max(id) FROM t) ORDER BY id
SELECT ARRAY(SELECT id FROM u WHERE u.tid = t.id ORDER BY id) FROM t ORDER BY t.id
