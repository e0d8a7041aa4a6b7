-- expressions

--: duckdb
SELECT n4 + n8 FROM t WHERE n8 BETWEEN -100 AND 100
SELECT id, n2 + n2, n2 - 1, n2 * 2 FROM t WHERE n2 BETWEEN -100 AND 100
SELECT n2 * n4 FROM t WHERE n2 BETWEEN -10 AND 10 AND n4 BETWEEN -10 AND 50
SELECT -n4, - -n8 FROM t WHERE n4 > 0 AND n8 > 0
SELECT -f FROM t
SELECT id - 7 * (id + 3) FROM t
SELECT n4 / 7, n8 / 3, n2 / 10 FROM t
SELECT n4 % 7, n8 % 10, n2 % 3 FROM t
SELECT abs(n2), abs(n8) FROM t WHERE n2 > -32768 AND n8 > -9223372036854775808
SELECT t || '-' || v, 'x' || t FROM t
SELECT length(t), length(v), char_length(t) FROM t
SELECT left(t, 2), left(v, 1) FROM t
SELECT substring(t FROM 2 FOR 3), substring(t, 1), substr(t, 2, 1) FROM t
SELECT strpos(t, 'b'), position('/' IN t), position('́' IN t) FROM t
SELECT split_part(t, '/', 1), split_part(t, '/', 2), split_part(t, '/', 9), split_part(v, 'é', 1) FROM t
SELECT coalesce(t, v, 'none'), coalesce(n4, 0), coalesce(n2, n8), coalesce(ts, ts) FROM t
SELECT nullif(n4, 1), nullif(t, ''), nullif(b, true) FROM t
SELECT greatest(n4, id), least(n4, id, 7), greatest(t, v), least(b, true), greatest(d, d) FROM t
SELECT CASE WHEN n4 > 0 THEN 'pos' WHEN n4 < 0 THEN 'neg' END, CASE WHEN b THEN t ELSE v END FROM t
SELECT CASE n4 WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE '' END FROM t
SELECT CASE t WHEN 'a' THEN 1 WHEN v THEN 2 END FROM t
SELECT CASE WHEN b THEN n4 ELSE n8 END, CASE WHEN b THEN f ELSE n4 END FROM t
SELECT id FROM t WHERE CASE WHEN b THEN n4 > 0 ELSE n4 < 0 END
SELECT DATE '2026-01-31', TIMESTAMPTZ '2026-03-08 02:30', 'x'::text, '5'::int, NULL::bigint FROM t
SELECT 'Infinity'::float8, '7'::smallint, 't'::boolean, TIMESTAMP '2026-01-01 00:00' FROM t
SELECT id FROM t WHERE n4 = ('5') OR ((id)) = (3)
