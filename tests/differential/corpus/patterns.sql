-- patterns

--: duckdb
SELECT id FROM t WHERE t LIKE 'a%' ORDER BY id
SELECT id FROM t WHERE t LIKE '%a' ORDER BY id
SELECT id FROM t WHERE t LIKE '%b%' OR t LIKE 'a_c' ORDER BY id
SELECT id FROM t WHERE t NOT LIKE '%a%' ORDER BY id
SELECT id FROM t WHERE t ILIKE 'ab%'
SELECT id FROM t WHERE t LIKE 'back\\%' OR t LIKE '%x%' ESCAPE 'x'
SELECT id FROM t WHERE t LIKE '%\%%' ORDER BY id
SELECT id FROM t WHERE t LIKE '%\_%' ORDER BY id
SELECT id FROM t WHERE t LIKE '%!%%' ESCAPE '!' ORDER BY id
SELECT id FROM t WHERE t ILIKE 'ABC' ORDER BY id
SELECT id FROM t WHERE t ILIKE 'a%' ORDER BY id
SELECT id FROM t WHERE t NOT ILIKE '%A%' ORDER BY id
SELECT id FROM t WHERE t ILIKE '%É%' OR t ILIKE 'ß' OR t ILIKE 'I%' ORDER BY id
SELECT id FROM t WHERE t ILIKE '_' ORDER BY id
SELECT id FROM t WHERE t LIKE v ORDER BY id
SELECT id FROM t WHERE 'abc' LIKE t || '%' ORDER BY id
SELECT id FROM t WHERE t SIMILAR TO '(a|b)%'
SELECT id FROM t WHERE t SIMILAR TO '%(b|d)%' ORDER BY id
SELECT id FROM t WHERE t ~ 'a' ORDER BY id
SELECT id FROM t WHERE t ~ '^a' ORDER BY id
SELECT id FROM t WHERE t LIKE ANY (ARRAY['a%', '%z']) ORDER BY id
SELECT id FROM t WHERE t ~~ 'a%' OR t !~~ '%' ORDER BY id
SELECT id FROM t WHERE t NOT SIMILAR TO '[a-z]+' ORDER BY id
SELECT id FROM t WHERE t NOT LIKE ALL (ARRAY['a%', '%z']) ORDER BY id

--: postgres
SELECT id FROM t WHERE t ~ '^[a-z]+$' OR t !~* 'A'
SELECT regexp_replace(t, '[aeiou]', '*', 'g'), regexp_match(t, '(a)(b)') FROM t
SELECT id FROM t WHERE t LIKE 'back\%' ESCAPE '' ORDER BY id
SELECT id FROM t WHERE t SIMILAR TO 'a{1,3}' ORDER BY id
SELECT id FROM t WHERE t ~* '^A.*C$' ORDER BY id
SELECT id FROM t WHERE t !~ '[[:alpha:]]' ORDER BY id
SELECT id FROM t WHERE t ~ '\d+' ORDER BY id
SELECT id FROM t WHERE t ~ '\mweb\M' ORDER BY id
SELECT id FROM t WHERE t ~ '(a)(b)\2?' ORDER BY id
SELECT id FROM t WHERE t ~ '(?i)abc' ORDER BY id
SELECT id FROM t WHERE t ~ '^(?!a).' ORDER BY id
SELECT regexp_replace(t, '(\w)(\w)', '\2\1'), regexp_replace(t, 'a', 'X', 'gi') FROM t ORDER BY id
SELECT regexp_match(t, '([a-z]+)/([a-z]+)'), regexp_like(t, '^A', 'i') FROM t ORDER BY id
SELECT id, m FROM t, regexp_matches(t.t, '[a-c]', 'g') AS m ORDER BY id, m
SELECT regexp_split_to_array(t, '/|,') FROM t ORDER BY id
SELECT regexp_replace(t, '[^[:ascii:]]', '?', 'g') FROM t ORDER BY id
