-- numbers

--: duckdb
SELECT id, n4 / 2, n4 % 2, -n4 / 2, -n4 % 2 FROM t WHERE n4 > -2147483648 ORDER BY id
SELECT id, n8 / 2, n8 % 7 FROM t ORDER BY id
SELECT greatest(f, n4), least(f, n8), greatest(NULL, id), least(NULL, NULL, id) FROM t ORDER BY id
SELECT n4 / n2 FROM t WHERE n2 > 0
SELECT f / 3, f * 2, sqrt(abs(id)) FROM t WHERE abs(f) BETWEEN 0.01 AND 100
SELECT id FROM t WHERE CASE WHEN n2 <= 0 THEN false ELSE n4 / n2 > 1 END
SELECT id, 100 / id, 100 % id FROM t ORDER BY id
SELECT id, CASE WHEN n4 <> 0 THEN id / n4 END FROM t ORDER BY id
SELECT id, id / nullif(n4, 0) FROM t ORDER BY id
SELECT n4 & 5, n4 | 8, n4 # 3, ~n4 FROM t ORDER BY id
SELECT id # n4, n8 & id FROM t ORDER BY id
SELECT f + score, f * score FROM t JOIN u ON u.id = t.id WHERE abs(f) < 100 AND abs(score) < 100 ORDER BY t.id
SELECT n4 + f, n4 * f FROM t WHERE abs(f) BETWEEN 0.01 AND 100 ORDER BY id
SELECT count(*) / 2, max(id) / 2, -max(id) % 4 FROM t
SELECT ceil(f), floor(f), floor(score) FROM t JOIN u USING (id) ORDER BY t.id
SELECT num, num + 1, round(num, 1) FROM t WHERE num <> 'NaN'
SELECT coalesce(n4, 1.5), CASE WHEN b THEN 1 ELSE 1.5 END FROM t
SELECT ceil(f), floor(f), round(f), trunc(f) FROM t ORDER BY id
SELECT sign(f), abs(f) FROM t ORDER BY id
SELECT round(id / 3.0, 2), trunc(id / 3.0, 3), id / 3.0 FROM t WHERE id < 9 ORDER BY id
SELECT num, num + 1, num * 2, num / 3, -num FROM t ORDER BY id
SELECT num::numeric(30, 2), round(num), round(num, -1), ceil(num), floor(num), trunc(num, 1) FROM t WHERE num < 1000 ORDER BY id
SELECT num = 1.5, num > 1, num IS NULL, num = 'NaN' FROM t ORDER BY id
SELECT id FROM t WHERE num BETWEEN 1 AND 50 ORDER BY id
SELECT id FROM t WHERE num IN (0, 1.5, 42) ORDER BY id
SELECT id * 1.00, id + 0.5, id - 0.50 FROM t WHERE id < 5 ORDER BY id
SELECT id::numeric / 7 FROM t ORDER BY id
SELECT n8 * 1.0, n8::numeric * n8 FROM t ORDER BY id
SELECT 5 / 2, -5 / 2, 5 % -3, -5 % 3, 5.0 / 2, 7 / 2 * 2 FROM t WHERE id = 1
SELECT sum(n8) / 2, sum(n4) / 2 FROM t WHERE n8 BETWEEN 0 AND 100
SELECT s.x / 2 FROM (SELECT sum(n8) AS x FROM t WHERE n8 BETWEEN 0 AND 100) s
SELECT 1.50, 1e3, 99999999999999999999 FROM t
SELECT id FROM t WHERE n8 = 9.223372036854775807e18
SELECT id, div(n4, 7), n4 / id FROM t ORDER BY id
SELECT f + 1, f - 0.5, f * 2, f / 4 FROM t WHERE abs(f) BETWEEN 0.01 AND 1e10 OR f = 'NaN' ORDER BY id
SELECT isfinite(d), f = 'NaN'::float8, f <> f FROM t ORDER BY id
SELECT coalesce(n4, '7'), nullif('5', n4) FROM t
SELECT id, n2 / 10::int2, mod(n4, 10) FROM t ORDER BY id
SELECT id << 2, id >> 1, n8 >> 3 FROM t ORDER BY id
SELECT gcd(id, 12), lcm(id, 4) FROM t ORDER BY id
SELECT factorial(5), id FROM t WHERE id < 3 ORDER BY id
SELECT num % 2, mod(num, 0.7), abs(num), sign(num) FROM t WHERE num <> 'NaN' ORDER BY id
SELECT scale(num), min_scale(num), trim_scale(num) FROM t ORDER BY id
SELECT 1e10, 1.5e3, 1e-5, .5, 5. FROM t WHERE id = 1
SELECT num, num * num, num / 7, sqrt(abs(num)) FROM m WHERE num IS NOT NULL AND abs(num) < 1e20 ORDER BY id
SELECT to_hex(id), to_bin(id), to_oct(id) FROM t ORDER BY id

--: postgres
SELECT 1_000 + id, 0x1F, 0b101 FROM t
SELECT abs(id), @ id, sign(id), -id FROM t ORDER BY id
SELECT sqrt(id), cbrt(id::float8) FROM t ORDER BY id
SELECT power(id, 2), exp(1.0::float8), ln(id::float8), log(id::float8) FROM t WHERE id < 9 ORDER BY id
SELECT sin(id), cos(id), tan(id), atan2(id, 2), degrees(id), radians(id), pi() FROM t WHERE id < 9 ORDER BY id
SELECT 0.1 + 0.2, 1.10 * 1.10, 1 / 3.0, 2.0 ^ 10, 10.0 % 3 FROM t WHERE id = 1
SELECT width_bucket(id, 1, 45, 5), width_bucket(id::float8, 0, 50, 5) FROM t ORDER BY id
SELECT float8 '0.1' + float8 '0.2', float4 '0.1', '1e400'::numeric > 0 FROM t WHERE id = 1
SELECT f4, f4 + 1, f4::float8, f4 > 0 FROM m ORDER BY id
SELECT num::int8, num::float8, num::text FROM m WHERE abs(num) < 1e15 ORDER BY id
SELECT bit_count(id::bit(8)), id::bit(8), B'101' | B'010' FROM t WHERE id < 9 ORDER BY id
SELECT 1_000_000 + id, 0xFF, 0o17, 0b11 FROM t WHERE id < 3 ORDER BY id
SELECT random(1, 1), id FROM t WHERE id < 3 ORDER BY id
