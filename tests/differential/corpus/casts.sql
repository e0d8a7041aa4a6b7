-- casts

--: duckdb
SELECT 0.5::float8::int, 1.5::float8::int, 2.5::float8::int, 2.5::int, -0.5::int FROM t WHERE id = 1
SELECT ' 42 '::int, '1e3'::float8, 'yes'::bool, 'off'::bool, '0x1F'::int, '1_000'::int FROM t WHERE id = 1
SELECT f::int FROM t WHERE f BETWEEN -100 AND 100
SELECT id::text, n8::text, n2::varchar, b::text FROM t ORDER BY id
SELECT id::int8, n2::int4, n2::int8, n4::int8 FROM t ORDER BY id
SELECT n4::int2 FROM t WHERE n4 BETWEEN -100 AND 100 ORDER BY id
SELECT f::int4, f::int8, f::int2 FROM t WHERE f BETWEEN -100 AND 100 ORDER BY id
SELECT b::int, id::bool, (n4 > 0)::int FROM t ORDER BY t.id
SELECT CAST(t AS text), CAST(id AS varchar), CAST(NULL AS int) FROM t ORDER BY id
SELECT (n4 / 2.0)::numeric(12, 1) FROM t
SELECT t::int FROM t WHERE t IN ('1', '01', '10', '9') ORDER BY id
SELECT d::text, ts::text, lt::varchar FROM t ORDER BY id
SELECT num::int4, num::int8, num::numeric(10, 1), num::float8 FROM t WHERE abs(num) < 1000 ORDER BY id
SELECT n4::text, f::text, b::text, ts::text, d::text FROM t
SELECT f::numeric FROM t WHERE f = f AND abs(f) < 1e10 ORDER BY id
SELECT t::int8, t::float8, t::numeric FROM t WHERE t ~ '^[0-9]+$' ORDER BY id
SELECT '2026-01-02'::date, '2026-01-02 03:04:05+06'::timestamptz, 'epoch'::timestamptz, 'allballs'::time FROM t WHERE id = 1
SELECT uu, uu::text, uu::text LIKE '1%' FROM m ORDER BY id
SELECT id FROM m WHERE uu = '11111111-2222-3333-4444-555555555555' ORDER BY id
SELECT id FROM m ORDER BY uu, id

--: postgres
SELECT id::float8 AS i, n8::float8, n2::float8, id::float4 AS s FROM t ORDER BY t.id
SELECT f::text, f4::text FROM t JOIN m USING (id) ORDER BY id
SELECT t::varchar, v::text, t::varchar(3), v::char(2) FROM t ORDER BY id
SELECT t::bytea FROM t WHERE t NOT LIKE '%\\%' ORDER BY id
SELECT id::oid, 't'::regclass::text, 'int4'::regtype, 'lower(text)'::regprocedure FROM t WHERE id < 3 ORDER BY id
SELECT '127.0.0.1'::inet, '10.0.0.0/8'::cidr >> '10.1.2.3'::inet, 'point(1,2)' IS NULL, '(1,2)'::point FROM t WHERE id = 1
SELECT id::money, '$1,234.50'::money FROM t WHERE id < 3 ORDER BY id
SELECT by, by = '\x00ff', by < '\x80' FROM m ORDER BY id
SELECT id::"char", 'abc'::name, 'a'::"char" FROM t WHERE id < 3 ORDER BY id
SELECT pg_typeof(id), pg_typeof(n8), pg_typeof(n2), pg_typeof(sum(id)), pg_typeof(avg(id)) FROM t GROUP BY id, n8, n2 ORDER BY id LIMIT 1
SELECT '1 day'::interval::text, '25 hours'::interval, iv::text FROM m ORDER BY id
SELECT pg_input_is_valid(t, 'int4') FROM t ORDER BY id
SELECT 1::int4 = 1::int8, 1.0 = 1, '1' = 1, id = n8, id = f FROM t ORDER BY id
SELECT int4(f), text(id), date(ts), float8(id), "numeric"(id) FROM t WHERE abs(f) < 100 ORDER BY id
