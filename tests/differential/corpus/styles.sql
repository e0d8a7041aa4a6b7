-- styles

--: duckdb
--: set DateStyle = 'ISO, DMY'
SELECT d, DATE '02/03/2026' FROM t ORDER BY id
SELECT id FROM t WHERE d = '08/03/2026' ORDER BY id
--: set DateStyle = 'ISO, YMD'
SELECT id FROM t WHERE lt < '26-03-08' ORDER BY id
--: set extra_float_digits = 3
SELECT f FROM t ORDER BY id
--: set TimeZone = 'Europe/Berlin'
SELECT id FROM t WHERE ts = '2026-03-08 08:00' ORDER BY id
--: set xmlbinary = 'hex'
SELECT id FROM t WHERE id < 3 ORDER BY id
--: set search_path = app, pg_catalog, public
SELECT id, lower(t) FROM t WHERE id < 4 ORDER BY id
--: set TimeZone = 'Europe/Berlin'
SELECT d, date_trunc('day', ts), ts::date FROM t ORDER BY id
SELECT ts, ts::text, extract(hour FROM ts) FROM t ORDER BY id
--: set TimeZone = 'Australia/Lord_Howe'
SELECT ts, ts + INTERVAL '1 day', lt::timestamptz FROM t ORDER BY id

--: postgres
--: set TimeZone = 'Europe/Berlin'
--: set IntervalStyle = 'iso_8601'
SELECT iv, INTERVAL '1 year -2 days' FROM m ORDER BY id
SELECT ts - TIMESTAMPTZ '2026-01-01 00:00Z' FROM t ORDER BY id
--: set IntervalStyle = 'sql_standard'
SELECT iv, iv::text FROM m ORDER BY id
--: set IntervalStyle = 'postgres_verbose'
SELECT iv, age(ts, TIMESTAMPTZ '2026-01-01 00:00Z') FROM m JOIN t USING (id) ORDER BY id
--: set DateStyle = 'SQL, DMY'
SELECT d, ts, lt FROM t ORDER BY id
SELECT id FROM t WHERE d = '08/03/2026' ORDER BY id
SELECT d::text || ts::text FROM t ORDER BY id
--: set DateStyle = 'German'
SELECT d, ts, lt FROM t ORDER BY id
--: set DateStyle = 'Postgres, MDY'
SELECT d, ts, lt FROM t ORDER BY id
--: set extra_float_digits = 0
SELECT f, f / 3 FROM t WHERE abs(f) > 0.01 ORDER BY id
SELECT f4, ARRAY[f4] FROM m ORDER BY id
--: set extra_float_digits = -5
SELECT f::text, f FROM t ORDER BY id
--: set bytea_output = 'escape'
SELECT by FROM m ORDER BY id
SELECT by::text, id FROM m ORDER BY id
--: set bytea_output = 'hex'
SELECT by FROM m ORDER BY id
--: set TimeZone = 'Europe/Berlin'
--: set TimeZone = '-08:30'
SELECT ts FROM t ORDER BY id
SELECT id FROM t WHERE ts < '2026-03-08' ORDER BY id
--: set TimeZone = 'Australia/Lord_Howe'
--: set standard_conforming_strings = off
SELECT id FROM t WHERE t = 'back\\slash' ORDER BY id
--: set transform_null_equals = on
SELECT id FROM t WHERE n4 = NULL ORDER BY id
--: set default_text_search_config = 'simple'
SELECT id FROM t WHERE to_tsvector(t) @@ to_tsquery('the') OR id = 1 ORDER BY id
