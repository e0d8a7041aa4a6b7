-- grouping

--: duckdb
SELECT id % 3, count(*), sum(n2) FROM t GROUP BY id % 3 ORDER BY 1
SELECT id % 3 AS r, count(*) FROM t GROUP BY r ORDER BY r
SELECT id % 3 AS r, b, count(*) FROM t GROUP BY 1, 2 ORDER BY 1, 2
SELECT t.b, u.flag, count(*) FROM t JOIN u ON u.tid = t.id GROUP BY t.b, u.flag ORDER BY 1, 2
SELECT b, count(*) FROM t GROUP BY b HAVING bool_or(n4 > 0) ORDER BY count(*) DESC, b
SELECT count(*) FROM t HAVING count(*) > 100
SELECT 1 FROM t HAVING max(id) > 0
SELECT length(t), count(*) FROM t GROUP BY length(t) ORDER BY length(t)
SELECT t, count(*) FROM t GROUP BY t HAVING count(*) > 1 ORDER BY t
SELECT max(n4) FROM t GROUP BY t, v ORDER BY max(n4), t, v LIMIT 5
SELECT b, count(*) FROM t GROUP BY GROUPING SETS ((b), ())
SELECT b, flag, count(*) FROM t JOIN u ON u.tid = t.id GROUP BY CUBE (b, flag)
SELECT b, n2, count(*) FROM t GROUP BY ROLLUP (b, n2) ORDER BY b NULLS FIRST, n2 NULLS FIRST, count(*)
SELECT b, count(*) FROM t GROUP BY CUBE (b) ORDER BY b, count(*)
SELECT b, n2, count(*) FROM t GROUP BY GROUPING SETS ((b, n2), (b), ()) ORDER BY b, n2, count(*)
SELECT b, count(*) FROM t GROUP BY GROUPING SETS (b, b) ORDER BY b
SELECT count(*) FROM t GROUP BY GROUPING SETS (())
SELECT count(*) FROM t GROUP BY GROUPING SETS ((), ())
SELECT b, n4 % 2, count(*) FROM t WHERE id < 20 GROUP BY CUBE (b, n4 % 2) ORDER BY 1, 2, 3
SELECT upper(t), count(*) FROM t GROUP BY upper(t) ORDER BY 1
SELECT extract(year FROM d), count(*) FROM t GROUP BY 1 ORDER BY 1
SELECT b, array_agg(c ORDER BY c) FROM (SELECT b, count(*) AS c FROM t GROUP BY b, n2) s GROUP BY b ORDER BY b
SELECT b, n2, grouping(b, n2), count(*) FROM t GROUP BY ROLLUP (b, n2) ORDER BY 3, 1, 2
SELECT b, count(*) FROM t GROUP BY ROLLUP (b) HAVING grouping(b) = 0 ORDER BY b
SELECT CASE WHEN grouping(b) = 1 THEN 'all' ELSE b::text END AS label, count(*) FROM t GROUP BY ROLLUP (b) ORDER BY 1, 2
SELECT date_trunc('year', ts), count(*) FROM t GROUP BY 1 ORDER BY 1
SELECT labels, count(*) FROM t GROUP BY labels ORDER BY labels
SELECT j, count(*) FROM t GROUP BY j ORDER BY j
SELECT b, n2, count(*) FROM t GROUP BY b, ROLLUP (n2) ORDER BY b, n2, count(*)

--: postgres
SELECT b, n2, count(*) FROM t GROUP BY DISTINCT ROLLUP (b, n2), ROLLUP (b, n2) ORDER BY b, n2, 3
SELECT b, n4 > 0, count(*), grouping(b) FROM t GROUP BY ROLLUP (b, n4 > 0)
SELECT b, n4 > 0 AS pos, sum(id), grouping(b), grouping(n4 > 0) FROM t GROUP BY CUBE (b, n4 > 0) ORDER BY 4, 5, 1, 2
SELECT count(*) FROM t GROUP BY ()
SELECT num, count(*) FROM t WHERE num <> 0 GROUP BY num ORDER BY num
