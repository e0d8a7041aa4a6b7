-- joins

--: duckdb
SELECT t.id, u.name FROM t JOIN u ON t.id = u.tid
SELECT t.id, u.name FROM t LEFT JOIN u ON t.id = u.tid AND u.flag
SELECT t.id, u.name FROM t RIGHT JOIN u ON t.id = u.tid WHERE t.n4 > 0 OR t.id IS NULL
SELECT t.id, u.name FROM t FULL JOIN u ON t.id = u.tid
SELECT count(*) FROM t x, u y
SELECT count(*) FROM t CROSS JOIN u WHERE t.n4 < u.n8
SELECT a.id, b.id FROM t a JOIN t b ON a.t = b.t AND a.id < b.id
SELECT x.id FROM t x LEFT JOIN (u JOIN t y ON u.tid = y.id) ON x.id = u.id WHERE y.t IS NULL
SELECT id, name FROM t JOIN u USING (id) WHERE id < 9
SELECT id FROM t FULL JOIN u USING (id)
SELECT a.id FROM t a LEFT JOIN u b ON a.id = b.tid LEFT JOIN t c ON c.id = b.id WHERE c.b IS NULL
SELECT t.id, u.id FROM t INNER JOIN u ON t.n8 = u.n8 ORDER BY t.id, u.id
SELECT t.id, u.id FROM t LEFT OUTER JOIN u ON t.id = u.tid WHERE u.id IS NULL ORDER BY t.id
SELECT t.id, u.id FROM t RIGHT OUTER JOIN u ON t.id = u.tid ORDER BY u.id, t.id
SELECT count(*), count(t.id), count(u.id) FROM t FULL OUTER JOIN u ON t.id = u.tid
SELECT id, t.t FROM t JOIN u USING (id) WHERE t.b OR u.flag ORDER BY id
SELECT id, n8 FROM t LEFT JOIN u USING (id, n8) ORDER BY id
SELECT id, u.name FROM t RIGHT JOIN u USING (id) ORDER BY id
SELECT n8, count(*) FROM t FULL JOIN u USING (n8) GROUP BY n8 ORDER BY n8
SELECT a.id, b.id, c.id FROM t a JOIN u b ON b.tid = a.id JOIN t c ON c.id = b.id ORDER BY 1, 2, 3
SELECT a.id FROM t a JOIN (u b JOIN u c ON b.id = c.tid) ON a.id = b.id ORDER BY a.id, c.id
SELECT count(*) FROM t, u WHERE t.id = u.tid AND t.b = u.flag
SELECT a.id, b.id FROM t a CROSS JOIN t b WHERE a.id + b.id = 5 ORDER BY a.id
SELECT a.id, b.id FROM t a JOIN t b ON a.id < b.id AND b.id <= 3 ORDER BY 1, 2
SELECT a.id, b.id FROM t a LEFT JOIN t b ON a.n4 > b.n4 AND b.id < 4 WHERE a.id < 6 ORDER BY 1, 2
SELECT a.id, b.id FROM t a LEFT JOIN u b ON false ORDER BY a.id LIMIT 3
SELECT a.id, b.id FROM t a LEFT JOIN u b ON true WHERE a.id < 3 AND b.id < 3 ORDER BY 1, 2
SELECT a.id, b.name FROM t a JOIN u b ON a.id = b.tid OR a.id = b.id WHERE a.id < 6 ORDER BY 1, b.id
SELECT t.id FROM t LEFT JOIN u ON t.id = u.tid AND t.n4 > 0 WHERE t.id < 10 ORDER BY t.id, u.id
SELECT a.id, coalesce(b.id, -1), coalesce(c.id, -1) FROM t a LEFT JOIN u b ON b.tid = a.id LEFT JOIN u c ON c.tid = b.id ORDER BY 1, 2, 3
SELECT x.id, y.s FROM t x JOIN (SELECT tid, sum(n8) AS s FROM u WHERE n8 < 100 GROUP BY tid) y ON y.tid = x.id ORDER BY x.id
SELECT count(*) FROM t a JOIN t b ON a.t = b.t JOIN t c ON b.t = c.t
SELECT a.id, b.id FROM t a JOIN u b ON a.id IS NOT DISTINCT FROM b.tid ORDER BY 1, 2
SELECT a.id FROM t a LEFT JOIN u b ON a.id = b.tid WHERE b.id IS NULL AND a.b ORDER BY a.id
SELECT count(*) FROM t a FULL JOIN t b ON a.id = b.n4 WHERE a.id IS NULL OR b.id IS NULL
SELECT b.id, t.id FROM u b LEFT JOIN t ON t.ts = b.at ORDER BY b.id, t.id
SELECT * FROM (SELECT id FROM t WHERE id < 3) a CROSS JOIN (SELECT id FROM u WHERE id < 3) b ORDER BY 1, 2
SELECT x.a, y.b FROM (SELECT id FROM t) x(a) JOIN (SELECT tid FROM u) y(b) ON x.a = y.b ORDER BY 1, 2
SELECT x.id, to_char(y.ts, 'YYYY') FROM t x, t y WHERE x.id = y.n4 /* 'c */ AND y.t LIKE '%a%' -- end
SELECT x.n4, y.t, z.f FROM t x, app.t y, t AS z WHERE x.id = y.id AND y.id = z.id AND x.t ~ 'a'
SELECT a.id, b.id FROM t a JOIN u b ON (a.id, a.b) = (b.tid, b.flag) ORDER BY 1, 2
SELECT id, n8, t, name FROM t NATURAL JOIN u ORDER BY id
SELECT id, t.n4, u.name FROM t NATURAL LEFT JOIN u ORDER BY id
SELECT id, name FROM t NATURAL FULL JOIN u WHERE id < 5 ORDER BY id, name
SELECT a.* FROM u a JOIN u b USING (id) WHERE b.flag ORDER BY a.id
SELECT * FROM (SELECT id, n4 FROM t) a NATURAL JOIN (SELECT tid AS id, name FROM u) b ORDER BY id, name, n4
SELECT * FROM t NATURAL JOIN u
SELECT * FROM u LEFT JOIN t USING (n8, id)
SELECT t.id, u.name FROM t FULL JOIN u ON t.id = u.tid AND u.n8 = 2

--: postgres
SELECT j.x FROM (t JOIN u ON t.id = u.tid) AS j(x, y), u WHERE u.id = j.x
SELECT * FROM t JOIN u USING (id)
SELECT m.id, name FROM t JOIN u USING (id) AS m
SELECT t.id, lookup.word FROM t JOIN lookup ON lookup.id = t.id
SELECT j.id, t.id, u.id FROM t JOIN u USING (id) AS j WHERE j.id < 4 ORDER BY 1
SELECT * FROM u a JOIN u b USING (id, name) WHERE id < 5 ORDER BY id
SELECT a.id FROM t a JOIN u b ON a.id = b.tid JOIN lookup l ON l.id = a.id ORDER BY a.id, b.id
