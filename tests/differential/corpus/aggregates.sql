-- aggregates

--: duckdb
SELECT sum(n2), sum(n4), sum(n8), count(n8), count(DISTINCT t), count(*) FROM t
SELECT min(f), max(f), min(t), max(t), min(ts), max(d), min(lt), max(v), min(n2) FROM t WHERE f <> 0
SELECT sum(n4), max(t), count(*), coalesce(sum(n8), 0) FROM t WHERE false
SELECT sum(DISTINCT n4), count(DISTINCT n8), sum(DISTINCT n8) FROM t
SELECT sum(n8) FILTER (WHERE n8 < 100), count(*) FILTER (WHERE b), max(t) FILTER (WHERE NOT b) FROM t
SELECT bool_and(b), bool_or(b), bool_and(n4 > 0) FILTER (WHERE b) FROM t
SELECT sum(n8) > 5, sum(n4) + 1, -count(*) FROM t
SELECT sum(n8 / 3), n4 / 7 FROM t GROUP BY n4 / 7
SELECT b, sum(n8) FROM t GROUP BY b
SELECT t, count(*) FROM t GROUP BY t
SELECT f, count(*) FROM t WHERE f <> 0 GROUP BY f
SELECT ts, d, count(*) FROM t GROUP BY ts, d
SELECT n4, count(*) FROM t GROUP BY n4 HAVING count(*) > 1 ORDER BY n4
SELECT b, n4 > 5 AS big, count(*), min(t) FROM t GROUP BY b, n4 > 5
SELECT b, count(*) c FROM t GROUP BY 1 ORDER BY c DESC, b
SELECT count(*) FROM t GROUP BY b HAVING sum(n4) IS NOT NULL
SELECT max(c) FROM (SELECT count(*) AS c FROM t GROUP BY b) s
SELECT count(t), count(DISTINCT t), count(DISTINCT b), count(ALL n4) FROM t
SELECT min(t), max(t), min(v), max(v) FROM t
SELECT sum(n2), sum(n4), sum(n8) FROM t WHERE n8 < 0
SELECT sum(n8) FROM t WHERE n8 > 9007199254740000
SELECT count(*) FILTER (WHERE n4 > 0), count(*) FILTER (WHERE n4 <= 0), count(*) FILTER (WHERE n4 IS NULL) FROM t
SELECT b, sum(n4) FILTER (WHERE n4 BETWEEN 0 AND 50) FROM t GROUP BY b ORDER BY b
SELECT max(id) FILTER (WHERE false), count(*) FILTER (WHERE NULL) FROM t
SELECT count(*) FROM t WHERE id < 0
SELECT n4, count(*) FROM t WHERE id < 0 GROUP BY n4
SELECT count(*), count(*) + 1, count(*) * 2 - 1 FROM t
SELECT sum(CASE WHEN b THEN 1 ELSE 0 END) AS trues, sum(CASE WHEN NOT b THEN 1 ELSE 0 END) AS falses FROM t
SELECT max(id) - min(id) FROM t
SELECT min(ts), max(ts), min(lt), max(d) FROM t
SELECT least(min(n4), 5), greatest(max(id), 5) FROM t
SELECT b, min(id), max(id), count(*), sum(id) FROM t GROUP BY b HAVING count(*) > 2 AND min(id) < 10 ORDER BY b
SELECT u.flag, count(DISTINCT t.b), max(t.t) FROM t JOIN u ON u.tid = t.id GROUP BY u.flag ORDER BY u.flag
SELECT avg(n4), avg(n2), avg(id) FROM t
SELECT avg(n8) FROM t
SELECT b, avg(n4), count(*) FROM t GROUP BY b ORDER BY b
SELECT t, avg(id) FROM t GROUP BY t ORDER BY t
SELECT b, bit_or(id) FROM t GROUP BY b ORDER BY b
SELECT string_agg(t, ',' ORDER BY id) FROM t
SELECT b, string_agg(t, '; ' ORDER BY t, id) FROM t GROUP BY b ORDER BY b
SELECT string_agg(DISTINCT t, ',' ORDER BY t) FROM t
SELECT string_agg(t, '' ORDER BY id DESC) FILTER (WHERE n4 > 0) FROM t
SELECT array_agg(t ORDER BY id) FROM t
SELECT b, array_agg(t ORDER BY id) FROM t GROUP BY b ORDER BY b
SELECT array_agg(n4 ORDER BY n4 DESC NULLS LAST, id) FROM t
SELECT sum(n2)::float8 / count(*) FROM t
SELECT 100 * count(*) FILTER (WHERE b) / count(*) FROM t
SELECT grouping(b), b, count(*) FROM t GROUP BY b ORDER BY b
SELECT bit_and(n4), bit_and(n8), bit_or(n2) FROM t
SELECT count(DISTINCT date_trunc('year', ts)) FROM t
SELECT avg(f) FROM t WHERE f BETWEEN -1000 AND 1000
SELECT sum(f) FROM t WHERE f BETWEEN -1000 AND 1000
SELECT b, sum(score) FROM t JOIN u ON u.id = t.id GROUP BY b ORDER BY b
SELECT sum(num), avg(num) FROM t
SELECT round(avg(n2), 2) FROM t
SELECT bool_and(b), bool_or(b), every(n4 > -2147483648) FROM t
SELECT bit_and(n4), bit_or(n2), bit_xor(n8) FROM t
SELECT any_value(b) FROM t WHERE b
SELECT min(b::int), max(n4 * 1.5) FROM t
SELECT min(labels), max(labels) FROM t
SELECT min(num), max(num), sum(num), avg(num) FROM t WHERE num <> 'NaN'
SELECT min(tm), max(tm) FROM m
SELECT json_agg(n4 ORDER BY id), jsonb_agg(t ORDER BY id) FROM t WHERE id < 6
SELECT jsonb_object_agg(id, t) FROM t WHERE id < 6
SELECT avg(n4), avg(f), stddev(id), sum(f) FROM t WHERE f BETWEEN -100 AND 100
SELECT stddev(n4), variance(n2), stddev_pop(id), var_samp(id) FROM t
SELECT count(DISTINCT (n4, b)) FROM t
SELECT array_agg(DISTINCT b ORDER BY b) FROM t
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY n4), percentile_cont(0.25) WITHIN GROUP (ORDER BY id) FROM t
SELECT mode() WITHIN GROUP (ORDER BY n4) FROM t WHERE n4 = 42
SELECT rank(5) WITHIN GROUP (ORDER BY n4), dense_rank(5) WITHIN GROUP (ORDER BY n4) FROM t

--: postgres
SELECT count(u), max((u).id), (u).name IS NULL FROM u GROUP BY (u).name IS NULL
SELECT '√ü😀' AS "ñ", app.t.id, regexp_count(app.t.t, 'a') FROM app.t WHERE app.t.t <> 'é'
VALUES (1, (SELECT count(*) FROM t))
SELECT count(*) FILTER (WHERE t IS NORMALIZED) FROM t
SELECT stddev(f), var_pop(f) FROM t WHERE f BETWEEN -1000 AND 1000
SELECT corr(id, n2), covar_pop(id, n2), regr_slope(id, n2) FROM t
SELECT string_agg(t, v ORDER BY id) FROM t
SELECT array_agg(labels ORDER BY id) FROM t WHERE array_length(labels, 1) = 2
SELECT json_arrayagg(id ORDER BY id), json_objectagg(id : t) FROM t WHERE id < 4
SELECT percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY t) FROM t
SELECT sum(n4), avg(n4), min(t), string_agg(t, ',') FROM t WHERE id < 0
SELECT sum(iv), avg(iv) FROM m
SELECT max(uu::text), min(by) FROM m
SELECT range_agg(int4range(id, id + 2) ORDER BY id) FROM t WHERE id < 9

--: falls
SELECT sum(f), avg(f), min(f), max(f) FROM t
