-- errors

--: fails
SELECT n4 * n4 FROM t
SELECT n8 + n8 FROM t
SELECT n2 + n2 FROM t
SELECT abs(n4) FROM t
SELECT -n8 FROM t
SELECT sum(n4 + 2147483647) FROM t WHERE n4 > 0
SELECT t.id, (SELECT name FROM u WHERE u.tid = t.id OR u.id < 3) FROM t
SELECT id FROM t WHERE n4 = (SELECT id FROM u)
SELECT t::int FROM t
SELECT t::jsonb FROM t
SELECT n4 / (id - id) FROM t
SELECT n4 / 0 FROM t
SELECT n8::int FROM t
SELECT f::bigint FROM t
SELECT t ~ '(' FROM t
SELECT sqrt(-1.0 * id) FROM t
SELECT t.id, u.name FROM t FULL JOIN u ON t.id < u.tid
SELECT to_date(t, 'YYYY-MM-DD') FROM t
SELECT nope FROM t
SELECT t.nope FROM t
SELECT x.id FROM t
SELECT id FROM nope
SELECT id FROM t WHERE idd = 1
SELECT nope(id) FROM t
SELECT lower(id) FROM t
SELECT id FROM t WHERE t = 5
SELECT id + t FROM t
SELECT 'é', t.t, id + v FROM t
SELECT id FROM t, u
SELECT id, count(*) FROM t
SELECT id FROM t GROUP BY ALL
SELECT b, id FROM t GROUP BY b
SELECT count(*) FROM t WHERE count(*) > 1
SELECT sum(sum(id)) FROM t
SELECT row_number() OVER (ORDER BY id) FROM t WHERE row_number() OVER (ORDER BY id) = 1
SELECT id FROM t ORDER BY 2
SELECT DISTINCT id FROM t ORDER BY t
SELECT DISTINCT ON (b) b, id FROM t ORDER BY id
SELECT id FROM t UNION SELECT id, name FROM u
SELECT id FROM t UNION SELECT name FROM u
SELECT id FROM t JOIN u USING (nope)
SELECT n8 FROM t JOIN u USING (id)
SELECT FROM WHERE
SELECT id FROM t WHERE
SELECT id FROM t LIMIT 'x'
SELECT (SELECT id, t FROM t)
SELECT id FROM t WHERE id IN (SELECT id, name FROM u)
SELECT 'abc'::int FROM t
SELECT id FROM t WHERE n4 = 'abc'
SELECT id FROM t WHERE d = 'not a date'
SELECT id FROM t WHERE ts > '2026-13-01'
SELECT id FROM t WHERE b = 'maybe'
SELECT id FROM t WHERE labels = '{broken'
SELECT id FROM t WHERE j = '{broken'
SELECT id, 1 / 0 FROM t
SELECT id FROM t WHERE id / (n4 - n4) = 1
SELECT 10 / (id - 3) FROM t
SELECT n8 * n8 FROM t
SELECT n4 + 2147483647 FROM t WHERE n4 > 0
SELECT -n4 FROM t
SELECT n2 - 1::int2 FROM t
SELECT sum(n8 * 2) FROM t
SELECT n4::int2 FROM t
SELECT n8::int4 FROM t
SELECT f::int4 FROM t
SELECT 1e308 * f FROM t
SELECT exp(f) FROM t WHERE f = 1e300
SELECT sqrt(f) FROM t WHERE f < 0
SELECT ln(n4) FROM t
SELECT t::date FROM t
SELECT t::bool FROM t
SELECT t::uuid FROM t
SELECT num::numeric(3, 2) FROM t
SELECT (j ->> 'a')::int FROM t
SELECT chr(0) FROM t
SELECT repeat(t, 2000000000) FROM t
SELECT substring(t, 1, -1) FROM t
SELECT left(t, id - 5), substr(t, 1, 2 - id) FROM t
SELECT split_part(t, '/', 0) FROM t
SELECT t ~ '*a' FROM t
SELECT t SIMILAR TO '(' FROM t
SELECT regexp_replace(t, '(', '') FROM t
SELECT (SELECT id FROM u WHERE u.id < 3) FROM t
SELECT id FROM t WHERE id = (SELECT tid FROM u WHERE tid IS NOT NULL)
SELECT ARRAY[1, 2][t] FROM t
SELECT ARRAY[id, 'x'] FROM t
SELECT (ARRAY[1, 2])['a'] FROM t
SELECT CASE WHEN b THEN 1 ELSE 'x' END FROM t
SELECT coalesce(id, t) FROM t
SELECT make_date(2026, 13, id) FROM t
SELECT ts + INTERVAL '300000 years' FROM t
SELECT d + 2147483647 FROM t
SELECT date_trunc('fortnight', ts) FROM t
SELECT extract(nothing FROM ts) FROM t
SELECT ts AT TIME ZONE 'Mars/Olympus' FROM t
SELECT generate_series(1, 3, 0) FROM t
SELECT ntile(0) OVER (ORDER BY id) FROM t
SELECT nth_value(id, 0) OVER (ORDER BY id) FROM t
SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN -1 PRECEDING AND CURRENT ROW) FROM t
SELECT lag(id) FROM t
SELECT percentile_cont(2) WITHIN GROUP (ORDER BY id) FROM t
SELECT int4range(id, 1) FROM t
SELECT (-id)::positive FROM t
SELECT t::mood FROM t
SELECT twice(t) FROM t
SELECT JSON_VALUE(j, '$.a' RETURNING int ERROR ON ERROR) FROM t
SELECT JSON_QUERY(j, 'bad path[') FROM t
SELECT jsonb_array_elements(j) FROM t
SELECT width_bucket(id, 1, 1, 5) FROM t
SELECT WITH FROM t
SELECT id FROM t FOR UPDATE OF nope
SELECT t.id FROM t LEFT JOIN u ON t.id = nope.id
WITH RECURSIVE c AS (SELECT id FROM t UNION ALL SELECT t.id FROM t) SELECT * FROM c, nope
WITH c(a, b, x) AS (SELECT id, t FROM t) SELECT * FROM c
SELECT t COLLATE "xx_XX" FROM t ORDER BY 1
SELECT t COLLATE "en-x-icu" FROM t
SELECT xmlparse(content t) FROM t
SELECT gen_salt('bf') FROM t
SELECT uuid_generate_v4() FROM t
SELECT failing(id) FROM t
SELECT checked(id) FROM t WHERE id > 40
SELECT id::nope FROM t
SELECT 'x'::app.nope FROM t
SELECT (u).nope FROM u
SELECT ROW(id, t) = ROW(id) FROM t
SELECT (id, t) < (1, 2) FROM t
SELECT grouping(id) FROM t GROUP BY b
SELECT id FROM t FETCH FIRST 1 ROW WITH TIES
SELECT id FROM t LIMIT -1
SELECT id FROM t OFFSET -1
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.tid = t.idd)
SELECT id FROM t WHERE t LIKE 'a\'
