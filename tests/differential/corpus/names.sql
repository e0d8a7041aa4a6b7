-- names

--: duckdb
SELECT count(*) FROM t
SELECT 1 FROM t
SELECT id, t FROM t ORDER BY id
SELECT ID, T.N8, "id" FROM T
SELECT app.t.id, app.t."labels" FROM app.t
SELECT (SELECT app.t.id) FROM app.t
TABLE app.u
SELECT u.name, u.* FROM u
SELECT * FROM small
SELECT * FROM nested
SELECT * FROM app.nested n WHERE n.name > 'a'
SELECT count(*) FROM nested n JOIN small s ON s.id = n.id
SELECT "a b", "C" FROM renamed
SELECT "Mixed", "select" FROM "Odd Name" ORDER BY k
SELECT x.id, y.id FROM t x JOIN t y ON x.n4 = y.id
SELECT x.id FROM t AS x, app.t AS y, u WHERE x.id = y.id AND u.tid = y.id
SELECT /* ( */ id -- here
     FROM t /* there */ WHERE id < 5
SELECT id AS "Über 😀", t AS "with ""quotes""" FROM t
SELECT s.a FROM (SELECT id, t FROM t) s(a, b) WHERE s.b = 'a'
SELECT id FROM postgres.app.t
SELECT n4 AS id, id AS n4 FROM t ORDER BY id, n4
SELECT id AS n8 FROM t WHERE n8 = 42
SELECT max(n4) AS n8 FROM t GROUP BY n8 HAVING n8 > 3
SELECT sum(id) AS n8 FROM t GROUP BY t ORDER BY n8 DESC, min(t)
SELECT * FROM t
TABLE t
SELECT id FROM u * ORDER BY id

--: postgres
SELECT x.a, x.c FROM u AS x(a, b, c)
SELECT * FROM u AS x(a, b, c)
SELECT s."A", s."a" FROM (SELECT n4 AS "A", n8 AS "a" FROM t) s
SELECT * FROM (SELECT n4 x, n8 x FROM t) s
SELECT "T".id FROM t "T" WHERE EXISTS (SELECT 1 FROM u t WHERE t.tid = "T".id)
SELECT * FROM U&"\0074"
SELECT a.id FROM U&"!0074" UESCAPE '!' a
SELECT x.id FROM ONLY (app.u) AS x ORDER BY x.id
TABLE ONLY app.u
