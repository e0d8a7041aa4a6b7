-- json

--: duckdb
SELECT MERGE_ACTION IS NULL FROM (SELECT id AS merge_action FROM t) s ORDER BY 1
SELECT j, j -> 'a', j ->> 'a', j @> '{"a": 1}', j #>> '{a,b}' FROM t
SELECT id FROM t WHERE j ? 'a'
SELECT j, j -> 'a', j ->> 'a' FROM t ORDER BY id
SELECT j -> 'b' -> 0, j #> '{a,b}', j #>> '{b,1}', j -> 0, j ->> -1 FROM t ORDER BY id
SELECT id FROM t WHERE j @> '{"a": 1}' ORDER BY id
SELECT id FROM t WHERE j <@ '{"a": 1, "b": 2}' ORDER BY id
SELECT id FROM t WHERE j ? 'a' OR j ?| ARRAY['x', 'b'] ORDER BY id
SELECT id FROM t WHERE j ?& ARRAY['a', 'b'] ORDER BY id
SELECT id FROM t WHERE j ->> 'a' = '1' ORDER BY id
SELECT id FROM t WHERE j = '[]' OR j IS NULL ORDER BY id
SELECT j || '{"z": 9}', j - 'a', j #- '{b,0}' FROM t WHERE jsonb_typeof(j) = 'object' ORDER BY id
SELECT jsonb_typeof(j), jsonb_pretty(j) FROM t ORDER BY id
SELECT jsonb_array_length(j -> 'b') FROM t WHERE jsonb_typeof(j -> 'b') = 'array' ORDER BY id
SELECT id, k FROM t, jsonb_object_keys(j) AS k WHERE jsonb_typeof(j) = 'object' ORDER BY 1, 2
SELECT json_build_object('id', id, 't', t, 'n', NULL), jsonb_build_array(id, b, d) FROM t ORDER BY id
SELECT id, (j -> 'n')::int, (j ->> 'n')::numeric * 2 FROM m WHERE jsonb_typeof(j -> 'n') = 'number' ORDER BY id
SELECT jsonb_agg(j ORDER BY id), count(DISTINCT j) FROM t

--: postgres
SELECT u.row_to_json, n.to_jsonb FROM u JOIN nested n ON n.id = u.id
SELECT j FROM (u JOIN small s ON s.id = u.id) AS j
SELECT jsonb_set(j, '{a}', '"new"'), jsonb_insert(j, '{b,0}', '0'), jsonb_strip_nulls(j) FROM t WHERE j ? 'b' ORDER BY id
SELECT m.id, e.value FROM m, jsonb_array_elements(CASE WHEN jsonb_typeof(m.j) = 'array' THEN m.j ELSE '[]' END) e ORDER BY 1, 2
SELECT id, e FROM m, jsonb_array_elements_text(m.j -> 'tags') AS e WHERE jsonb_typeof(m.j -> 'tags') = 'array' ORDER BY 1, 2
SELECT jsonb_path_query_first(j, '$.a'), jsonb_path_exists(j, '$.b[*] ? (@ > 1)') FROM t ORDER BY id
SELECT id, p FROM m, jsonb_path_query(m.j, '$.items[*].price ? (@ > 1)') AS p ORDER BY 1, 2
SELECT j @? '$.a', j @@ '$.a == 1' FROM t ORDER BY id
SELECT jsonb_path_query_array(j, 'strict $.items[*].name', silent => true) FROM m ORDER BY id
SELECT to_json(t), to_jsonb(n4), to_json(ts), to_json(labels), to_jsonb(f = 'NaN') FROM t ORDER BY id
SELECT json_object(ARRAY['a', 'b'], ARRAY[id::text, NULL]), json_build_array() FROM t WHERE id < 3 ORDER BY id
SELECT JSON_OBJECT('id' : id, 'x' VALUE NULL ABSENT ON NULL), JSON_ARRAY(id, NULL, 'x' NULL ON NULL) FROM t WHERE id < 3 ORDER BY id
SELECT JSON_VALUE(j, '$.a'), JSON_VALUE(j, '$.a' RETURNING int DEFAULT -1 ON EMPTY DEFAULT -2 ON ERROR) FROM t ORDER BY id
SELECT JSON_QUERY(j, '$.b' WITH WRAPPER), JSON_QUERY(j, '$.a' OMIT QUOTES), JSON_EXISTS(j, '$.b') FROM t ORDER BY id
SELECT m.id, jt.* FROM m, JSON_TABLE(m.j, '$.items[*]' COLUMNS (n FOR ORDINALITY, name text PATH '$.name', price numeric PATH '$.price' DEFAULT 0 ON EMPTY)) AS jt ORDER BY 1, 2
SELECT jt.tag FROM m, JSON_TABLE(m.j, '$' COLUMNS (NESTED PATH '$.tags[*]' COLUMNS (tag text PATH '$'))) AS jt WHERE m.id < 20 ORDER BY 1
SELECT j IS JSON, t IS JSON, t IS JSON SCALAR, '{}' IS JSON OBJECT FROM t ORDER BY id
SELECT JSON_SCALAR(id), JSON_SERIALIZE(j), JSON('{"a": 1}') FROM t WHERE id < 4 ORDER BY id
SELECT js, js -> 'a', js ->> 'b', json_typeof(js) FROM m ORDER BY id
SELECT id, x.a, x.b FROM m, jsonb_to_record(CASE jsonb_typeof(j) WHEN 'object' THEN j END) AS x(a int, b text) WHERE NOT j ? 'a' OR jsonb_typeof(j -> 'a') = 'number' ORDER BY id
SELECT (jsonb_populate_record(NULL::pair, '{"number": 7, "word": "w"}')).*, id FROM t WHERE id < 3 ORDER BY id
SELECT j['a'], j['b'][0] FROM t ORDER BY id
SELECT j::text, '{"b":1, "a" : 2, "b":3}'::jsonb, '{"b":1, "a" : 2}'::json FROM t ORDER BY id
SELECT JSON_ARRAYAGG(t ORDER BY id NULL ON NULL RETURNING jsonb) FROM t WHERE id < 8
