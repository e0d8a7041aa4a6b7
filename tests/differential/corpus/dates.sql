-- dates

--: duckdb
SELECT id FROM t WHERE ts BETWEEN '2026-01-01' AND '2026-12-31' ORDER BY id
SELECT id FROM t WHERE ts > '2026-03-08 02:30 America/New_York' ORDER BY id
SELECT TIMESTAMPTZ '2026-03-08 02:30 America/New_York', TIMESTAMPTZ '2026-11-01 01:30 America/New_York' FROM t WHERE id = 1
SELECT TIMESTAMPTZ '2026-03-07 12:00 America/New_York' + INTERVAL '1 day', TIMESTAMPTZ '2026-03-07 12:00 America/New_York' + INTERVAL '24 hours' FROM t WHERE id = 1
SELECT d + 1, d - 1, d - DATE '2026-01-01' FROM t WHERE d < '9000-01-01' ORDER BY id
SELECT d - d, d + 0 = d FROM t ORDER BY id
SELECT lt + INTERVAL '90 minutes', lt - INTERVAL '1 week' FROM t ORDER BY id
SELECT lt + INTERVAL '1 month', lt + INTERVAL '1 day' FROM t ORDER BY id
SELECT extract(year FROM d), extract(doy FROM d), extract(dow FROM d), extract(isodow FROM d), extract(week FROM d) FROM t ORDER BY id
SELECT ts AT TIME ZONE 'America/New_York', ts AT TIME ZONE 'UTC' FROM t ORDER BY id
SELECT current_date - d > 0, now() > ts FROM t WHERE d < '2020-01-01' AND ts < '2020-01-01' ORDER BY id
SELECT d = '2026-03-08', d <> ts::date, d IN (DATE '1970-01-01', '2026-11-01') FROM t ORDER BY id

SELECT date_trunc('day', lt), date_trunc('week', lt), date_trunc('quarter', lt) FROM t ORDER BY t.id
SELECT date_trunc('day', ts), date_trunc('hour', ts), date_trunc('month', ts) FROM t ORDER BY id
SELECT extract(year FROM ts), extract(month FROM ts), extract(day FROM ts), extract(hour FROM ts) FROM t ORDER BY id
SELECT ts + interval '1 month', ts - interval '1 day 2 hours', d + 1, d - date '2026-01-01' FROM t
SELECT date_trunc('month', ts), date_trunc('week', lt), extract(epoch FROM ts) FROM t
SELECT ts AT TIME ZONE 'Asia/Kolkata', lt AT TIME ZONE 'America/New_York' FROM t
SELECT id FROM t WHERE lt = ts OR d = ts
SELECT id FROM t WHERE d > 'yesterday'::date - 36500 AND n4 <> ALL (ARRAY[1, 2])
SELECT d + INTERVAL '1 month', d - INTERVAL '1 day' FROM t WHERE d > '1000-01-01' AND d < '9000-01-01' ORDER BY id
SELECT ts + INTERVAL '1 day', ts + INTERVAL '24 hours' FROM t ORDER BY id
SELECT ts - INTERVAL '1 month', ts + INTERVAL '1 year 2 months 3 days 04:05:06' FROM t ORDER BY id
SELECT ts - TIMESTAMPTZ '2026-01-01 00:00Z', lt - TIMESTAMP '2026-01-01' FROM t ORDER BY id
SELECT date_trunc('year', d), date_trunc('month', d) FROM t ORDER BY id
SELECT date_trunc('day', ts, 'Asia/Tokyo') FROM t ORDER BY id
SELECT extract(epoch FROM ts), extract(epoch FROM lt), extract(epoch FROM d) FROM t ORDER BY id
SELECT extract(second FROM lt), extract(millisecond FROM lt), extract(microsecond FROM lt), extract(minute FROM lt) FROM t ORDER BY id
SELECT lt AT TIME ZONE 'America/New_York' FROM t ORDER BY id
SELECT timezone('Asia/Kolkata', ts) FROM t ORDER BY id
SELECT ts::date, ts::timestamp, ts::time FROM t ORDER BY id
SELECT lt::date, lt::timestamptz, lt::time FROM t ORDER BY id
SELECT d::timestamp, d::timestamptz FROM t ORDER BY id
SELECT id FROM t WHERE ts >= d ORDER BY id
SELECT id FROM t WHERE lt > d ORDER BY id
SELECT min(ts), max(ts), max(ts) - min(ts) FROM t
SELECT '2026-03-08'::date::text, '12:34'::time::text, lt::text, ts::text FROM t ORDER BY id
SELECT date_trunc('day', lt), date_trunc('week', lt), date_trunc('quarter', lt), date_trunc('decade', lt) FROM t ORDER BY id
SELECT extract(isoyear FROM d), extract(quarter FROM d), extract(century FROM d), extract(decade FROM d), extract(julian FROM d) FROM t ORDER BY id
SELECT extract(timezone FROM ts), extract(timezone_hour FROM ts) FROM t ORDER BY id
SELECT make_date(2026, id, 1) FROM t WHERE id <= 12 ORDER BY id
SELECT isfinite(ts), isfinite(lt) FROM t ORDER BY id
SELECT TIMESTAMP(0) '2026-01-01 00:00:00.6', lt::timestamp(3), ts::timestamptz(0) FROM t ORDER BY id
SELECT id FROM t WHERE ts::date = '2026-03-08' ORDER BY id

--: postgres
SELECT id, to_char(ts, 'YYYY-MM-DD HH24:MI:SS TZ'), to_char(n4, '999') FROM t
SELECT extract(dow FROM ts), date_part('year', lt), ts::date, ts::time, lt::timestamptz FROM t
SELECT age(ts, '2026-01-01'), justify_days(ts - '2026-01-01') FROM t
SELECT now() = transaction_timestamp(), current_date IS NOT NULL FROM t WHERE id = 1
SELECT d + TIME '10:30', d + tm FROM t JOIN m USING (id) ORDER BY id
SELECT age(ts, TIMESTAMPTZ '2020-02-29'), age(lt, TIMESTAMP '2020-02-29') FROM t ORDER BY id
SELECT date_trunc('week', ts), date_trunc('century', ts), date_trunc('millisecond', ts) FROM t ORDER BY id
SELECT date_part('hour', ts), date_part('epoch', lt), date_part('month', d) FROM t ORDER BY id
SELECT ts AT TIME ZONE '+03', ts AT TIME ZONE INTERVAL '-2 hours', ts AT LOCAL FROM t ORDER BY id
SELECT 'infinity'::timestamptz, '-infinity'::date, 'infinity'::timestamp > lt FROM t ORDER BY id
SELECT id FROM t WHERE d < 'infinity' AND ts > '-infinity' ORDER BY id
SELECT DATE '0044-03-15 BC', TIMESTAMP '4713-01-01 00:00 BC', DATE '5874897-12-31', TIMESTAMP '294276-12-31 23:59:59.999999' FROM t WHERE id = 1
SELECT make_timestamp(2026, 1, id, 1, 2, 3.5), make_time(id, 0, 0), make_interval(days => id) FROM t WHERE id < 20 ORDER BY id
SELECT to_timestamp(id * 1000000), to_timestamp('05 Dec 2000', 'DD Mon YYYY'), to_date('2026-02-03', 'YYYY-MM-DD') FROM t WHERE id < 5 ORDER BY id
SELECT to_char(ts, 'YYYY-MM-DD HH24:MI:SS.US'), to_char(ts, 'Day, DDth Month IYYY-IW Q J'), to_char(ts, 'TZ OF') FROM t ORDER BY id
SELECT to_char(d, 'FMDD.FMMM.YY'), to_char(lt, 'HH12:MI AM') FROM t ORDER BY id
SELECT to_char(n4, '999,999,999,999'), to_char(f, 'FM990.00'), to_char(id, 'RN'), to_char(n2, 'S00000') FROM t WHERE abs(f) < 1e5 ORDER BY id
SELECT to_char(iv, 'YY MM DD HH24:MI:SS') FROM m ORDER BY id
SELECT date_bin('15 minutes', lt, TIMESTAMP '2001-01-01') FROM t WHERE lt > '1000-01-01' ORDER BY id
SELECT tm, tm + INTERVAL '1 hour', tm - TIME '01:00', extract(minute FROM tm) FROM m ORDER BY id
SELECT tm > '12:00', tm BETWEEN '00:00' AND '10:00', tm = '24:00' FROM m ORDER BY id
SELECT iv, iv * 2, iv / 3, -iv, iv + INTERVAL '1 day', iv - iv FROM m ORDER BY id
SELECT iv > INTERVAL '1 day', iv = INTERVAL '24 hours', iv IS NULL FROM m ORDER BY id
SELECT id FROM m ORDER BY iv, id
SELECT justify_hours(iv), justify_days(iv), justify_interval(iv) FROM m ORDER BY id
SELECT extract(epoch FROM iv), extract(month FROM iv), date_trunc('hour', iv), iv::time FROM m ORDER BY id
SELECT INTERVAL '1-2', INTERVAL 'P1Y2M3DT4H5M6S', INTERVAL '1' YEAR, INTERVAL '3 4' DAY TO HOUR, INTERVAL '1.5 weeks', INTERVAL '-1 days +02:03' FROM t WHERE id = 1
SELECT INTERVAL '1.23456789' SECOND(2), INTERVAL(3) '1.2345 s', 'infinity'::interval FROM t WHERE id = 1
SELECT now() = now(), current_timestamp = statement_timestamp(), localtimestamp IS NOT NULL, current_time IS NOT NULL FROM t WHERE id = 1
SELECT clock_timestamp() >= now(), timeofday() IS NOT NULL FROM t WHERE id = 1
SELECT generate_series(d, d + INTERVAL '2 days', '1 day') FROM t WHERE d = '2026-03-08' ORDER BY id, 1
SELECT TIME WITH TIME ZONE '12:00+05:30', TIMETZ '23:59:59.5-08' > '00:00+00' FROM t WHERE id = 1

--: falls
SELECT extract(year FROM ts - INTERVAL '3000 years'), extract(year FROM lt - INTERVAL '1 month') FROM t ORDER BY id
SELECT (lt - INTERVAL '1 month')::text, to_char(ts - INTERVAL '1 month', 'YYYY-MM-DD') FROM t ORDER BY id
