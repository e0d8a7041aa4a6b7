-- volatile

--: postgres
--: then SELECT last_value, is_called FROM counter
SELECT nextval('counter') > 0 FROM t WHERE id < 6 ORDER BY id
--: then SELECT last_value, is_called FROM counter
SELECT id FROM t WHERE id < 5 OR nextval('counter') < 0 ORDER BY id
--: then SELECT last_value, is_called FROM counter
SELECT count(nextval('counter')) FROM t
--: then SELECT last_value, is_called FROM counter
SELECT (SELECT nextval('counter')) > 0 FROM t ORDER BY id
--: then SELECT last_value, is_called FROM counter
SELECT CASE WHEN b THEN nextval('counter') > 0 END FROM t ORDER BY id
--: then SELECT last_value, is_called FROM counter
WITH c AS MATERIALIZED (SELECT id, nextval('counter') AS n FROM t) SELECT count(*) FROM c WHERE id < 3
--: then SELECT last_value, is_called FROM counter
SELECT id FROM t ORDER BY nextval('counter') LIMIT 3
--: then SELECT count(*) FROM log
SELECT noted(id) FROM t WHERE id <= 7 ORDER BY id
--: then SELECT id, note FROM log ORDER BY id
INSERT INTO log SELECT id, t FROM t WHERE id < 5
--: then SELECT id, word FROM lookup ORDER BY id
UPDATE lookup SET word = t.t FROM t WHERE t.id = lookup.id AND t.id % 2 = 0
--: then SELECT id, word FROM lookup ORDER BY id
DELETE FROM lookup WHERE EXISTS (SELECT 1 FROM t WHERE t.id = lookup.id AND t.b)
--: then SELECT id, word FROM lookup ORDER BY id
MERGE INTO lookup l USING t ON t.id = l.id WHEN MATCHED AND t.b THEN DELETE WHEN MATCHED THEN UPDATE SET word = t.t WHEN NOT MATCHED AND t.id < 12 THEN INSERT VALUES (t.id, 'new')
--: then SELECT current_setting('app.seen', true)
SELECT set_config('app.seen', id::text, true) FROM t WHERE id < 4 ORDER BY id
SELECT pg_try_advisory_xact_lock(id), pg_sleep(0) IS NULL FROM t WHERE id < 3 ORDER BY id
SELECT random() BETWEEN 0 AND 1, gen_random_uuid() IS NOT NULL, txid_current() > 0 FROM t WHERE id = 1
--: then SELECT count(*) FROM made
CREATE TEMP TABLE made ON COMMIT DROP AS SELECT id, t, ts, num FROM t WHERE id < 9
--: then SELECT * FROM made ORDER BY id
SELECT id, n4 * 2 AS twice, labels INTO TEMP made FROM t WHERE id < 4 AND n4 BETWEEN -100 AND 100
--: then SELECT * FROM log ORDER BY id
WITH w AS (INSERT INTO log SELECT id, t FROM t WHERE id < 4 RETURNING id, note) SELECT w.id, u.name FROM w JOIN u ON u.id = w.id ORDER BY 1
--: then SELECT * FROM lookup ORDER BY id
WITH w AS (UPDATE lookup SET word = upper(word) WHERE id IN (SELECT id FROM t WHERE b) RETURNING id, word) SELECT * FROM w ORDER BY id
--: then SELECT * FROM lookup ORDER BY id
WITH w AS (DELETE FROM lookup USING t WHERE t.id = lookup.id AND t.id < 4 RETURNING lookup.id) SELECT count(*) FROM w
