-- ranges

--: postgres
SELECT int4range(id, id + 5), int8range(1, id, '[]') FROM t ORDER BY id
SELECT int4range(id, id + 5) @> 10, int4range(1, 10) && int4range(id, id + 2) FROM t ORDER BY id
SELECT id FROM t WHERE id <@ int4range(5, 9) ORDER BY id
SELECT id FROM t WHERE d <@ daterange('2026-01-01', '2027-01-01') ORDER BY id
SELECT tstzrange(ts, ts + INTERVAL '1 day') * tstzrange('2026-01-01', '2026-12-31') FROM t WHERE ts > '2020-01-01' ORDER BY id
SELECT lower(int4range(id, 50)), upper(int4range(id, 50)), isempty(int4range(id, id)), lower_inc(int4range(id, 50)) FROM t ORDER BY id
SELECT numrange(num, NULL), numrange(0, 1.5) -|- numrange(1.5, 2) FROM t WHERE num <> 'NaN' ORDER BY id
SELECT int4multirange(int4range(1, id), int4range(50, 60)), '{[1,3),[5,8)}'::int4multirange @> id FROM t ORDER BY id
SELECT range_merge(int4range(1, 3), int4range(id, id + 1)), int4range(1, 20) - int4range(id, 30) FROM t WHERE id < 9 ORDER BY id
SELECT unnest(multirange(int4range(id, id + 2))) FROM t WHERE id < 3 ORDER BY id
SELECT id FROM t ORDER BY int4range(n4, NULL), id
SELECT range_intersect_agg(int4range(id, id + 10)) FROM t WHERE id BETWEEN 3 AND 6
