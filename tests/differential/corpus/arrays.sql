-- arrays

--: duckdb
SELECT id FROM t WHERE 'a' = ANY (labels) ORDER BY id
SELECT id FROM t WHERE 'b' > ANY (labels) ORDER BY id
SELECT labels FROM t ORDER BY id
SELECT id FROM t WHERE n4 = ANY (ARRAY[1, 5, NULL]) ORDER BY id
SELECT id FROM t WHERE n4 <> ALL (ARRAY[1, 5]) ORDER BY id
SELECT id FROM t WHERE n4 > ALL (ARRAY[1, 2]) ORDER BY id
SELECT id FROM t WHERE n4 = ANY ('{1,2,42}'::int[]) ORDER BY id
SELECT id FROM t WHERE NOT (n4 = ANY (ARRAY[1, 2])) ORDER BY id
SELECT array_length(labels, 1), labels || 'x'::text, labels[1], cardinality(labels) FROM t
SELECT id FROM t WHERE labels = '{a}' OR labels IS NULL
SELECT labels[1], labels[2], labels[0], labels[-1], labels[99] FROM t ORDER BY id
SELECT array_append(labels, 'z'), array_prepend('z', labels), array_cat(labels, labels) FROM t ORDER BY id
SELECT array_remove(labels, 'a'), array_replace(labels, 'a', 'b'), array_position(labels, 'a'), array_positions(labels, 'a') FROM t ORDER BY id
SELECT id FROM t WHERE labels @> ARRAY['a'] ORDER BY id
SELECT id FROM t WHERE labels <@ ARRAY['a', 'bug', 'web/app'] ORDER BY id
SELECT id FROM t WHERE labels && ARRAY['bug', 'x,y'] ORDER BY id
SELECT id FROM t WHERE labels < ARRAY['b'] ORDER BY id
SELECT id FROM t WHERE 'a' = ALL (labels) ORDER BY id
SELECT unnest(labels) FROM t WHERE id < 20 ORDER BY 1
SELECT id, unnest(labels) AS l FROM t ORDER BY id, l
SELECT id, unnest(ARRAY[1, 2]), unnest(ARRAY['a', 'b', 'c']) FROM t WHERE id < 3 ORDER BY 1, 2, 3
SELECT ints + 1 FROM (SELECT unnest(ints) AS ints FROM m) s ORDER BY 1
SELECT id FROM m WHERE ints = '{1,2,3}' OR ints IS NULL ORDER BY id
SELECT DISTINCT ints FROM m ORDER BY ints
SELECT l FROM t, unnest(labels) AS l
SELECT id, ord FROM t, unnest(labels) WITH ORDINALITY AS l(name, ord) WHERE l.name = 'bug' ORDER BY 1, 2
SELECT count(*) FROM t, unnest(labels)
SELECT l, count(*) FROM t, unnest(labels) AS l GROUP BY l ORDER BY l
SELECT id FROM t WHERE EXISTS (SELECT 1 FROM unnest(labels) l WHERE l LIKE 'web%') ORDER BY id
SELECT id, (SELECT count(*) FROM unnest(labels)) FROM t ORDER BY id
SELECT id FROM t WHERE labels @> ARRAY['a'] OR labels && '{bug}'
SELECT labels[1:1], labels[2:], labels[:1], labels[:] FROM t ORDER BY id
SELECT array_length(labels, 1), cardinality(labels), array_ndims(labels), array_dims(labels) FROM t ORDER BY id
SELECT array_lower(labels, 1), array_upper(labels, 1), array_length(labels, 2) FROM t ORDER BY id
SELECT labels || 'x'::text, 'x'::text || labels, labels || ARRAY['p', 'q'], labels || NULL::text FROM t ORDER BY id
SELECT id FROM t WHERE labels = ARRAY['a'] OR labels <> '{}' ORDER BY id
SELECT id FROM t WHERE t = ANY (string_to_array('a,abc,é', ',')) ORDER BY id
SELECT id FROM t WHERE t LIKE ANY (labels) ORDER BY id
SELECT ARRAY[id, n4], ARRAY[t, v], ARRAY[]::int[] FROM t ORDER BY id
SELECT array_fill(id, ARRAY[2]), array_sort(labels), array_reverse(labels), trim_array(ARRAY[1, 2, 3], 1) FROM t WHERE id < 5 ORDER BY id
SELECT ints, ints[1], ints || id, cardinality(ints), 3 = ANY (ints), ints @> ARRAY[1] FROM m ORDER BY id
SELECT labels::text, labels::varchar[], '{1,2}'::int[]::text[] FROM t ORDER BY id
SELECT labels IS NULL, labels = '{}', labels IS DISTINCT FROM '{a}' FROM t ORDER BY id
SELECT coalesce(labels, '{}'), CASE WHEN b THEN labels END FROM t ORDER BY id
SELECT generate_subscripts(labels, 1), id FROM t WHERE cardinality(labels) = 2 ORDER BY 2, 1

--: postgres
SELECT ARRAY[ARRAY[id, 2], ARRAY[3, 4]], (ARRAY[[1, 2], [3, 4]])[2][1], array_ndims(ARRAY[[id]]) FROM t WHERE id < 4 ORDER BY id
SELECT (ARRAY[[1, 2, 3], [4, 5, 6]])[1:2][2:3], '[0:1]={7,8}'::int[], ('[0:1]={7,8}'::int[])[0] FROM t WHERE id = 1
SELECT x.a, x.b FROM t, unnest(ARRAY[t.id, 0], ARRAY['p', 'q']) AS x(a, b) WHERE t.id < 3 ORDER BY 1, 2
SELECT nums, nums[1] + 1, array_to_string(nums, '|') FROM m ORDER BY id
