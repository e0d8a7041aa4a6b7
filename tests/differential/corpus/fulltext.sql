-- fulltext

--: postgres
SELECT to_tsvector('simple', t) @@ to_tsquery('simple', 'web') FROM t
SELECT to_tsvector('english', t) FROM t ORDER BY id
SELECT id FROM t WHERE to_tsvector('simple', t) @@ to_tsquery('simple', 'web & app') ORDER BY id
SELECT id FROM t WHERE to_tsvector('simple', coalesce(t, '')) @@ plainto_tsquery('simple', 'web app') ORDER BY id
SELECT id, ts_rank(to_tsvector('simple', t), to_tsquery('simple', 'a | web')) FROM t ORDER BY id
SELECT id, ts_headline('simple', t, to_tsquery('simple', 'web')) FROM t WHERE t LIKE 'web%' ORDER BY id
SELECT websearch_to_tsquery('english', t), phraseto_tsquery('simple', t) FROM t WHERE t LIKE 'w%' OR t LIKE 'it%' ORDER BY id
SELECT setweight(to_tsvector('simple', t), 'A') || to_tsvector('simple', v) FROM t ORDER BY id
SELECT t @@ 'abc', numnode(plainto_tsquery('simple', t)), strip(to_tsvector('simple', t)) FROM t ORDER BY id
SELECT tsvector_to_array(to_tsvector('simple', t)), length(to_tsvector('simple', t)) FROM t ORDER BY id
