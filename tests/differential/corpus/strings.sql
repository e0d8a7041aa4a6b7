-- strings

--: duckdb
SELECT t = v, t < v, t <= 'abc', t || '' = t FROM t ORDER BY id
SELECT t > 'a' AND t < 'b', t BETWEEN 'A' AND 'z' FROM t ORDER BY id
SELECT greatest(t, 'm'), least(v, 'm', t) FROM t ORDER BY id
SELECT coalesce(nullif(t, ''), 'empty') FROM t ORDER BY id
SELECT lower(t), upper(t) FROM t ORDER BY id
SELECT lower(v) = lower(t), upper(t) = t FROM t ORDER BY id
SELECT trim(t), ltrim(t), rtrim(t) FROM t ORDER BY id
SELECT trim(both 'a' from t), trim(leading 'w' from t), trim(trailing 'x' from t), btrim(t, 'abc') FROM t ORDER BY id
SELECT replace(t, 'a', 'bb'), replace(t, '', 'x'), replace(t, 'a', '') FROM t ORDER BY id
SELECT left(t, 2), right(t, 2), left(t, -1), right(t, -1), left(t, 0) FROM t ORDER BY id
SELECT md5(t), md5('') FROM t ORDER BY id
SELECT upper(t) || lower(v), length(trim(t)), left(upper(t), 1) FROM t ORDER BY id
SELECT string_agg(upper(t), ',' ORDER BY id) FROM t
SELECT repeat(t, 2), repeat(t, 0), repeat(v, -1) FROM t ORDER BY t.id
SELECT lpad(t, 5), rpad(t, 5), lpad(t, 5, '*-'), rpad(t, 2, 'x'), lpad(v, 0) FROM t ORDER BY t.id
SELECT concat(t, v), concat_ws('-', t, v), concat_ws(t, v, v) FROM t ORDER BY t.id
SELECT ascii(t), starts_with(t, 'a'), starts_with(t, ''), octet_length(t) FROM t ORDER BY t.id
SELECT trim(t), btrim(t, 'a'), replace(t, 'a', 'b'), translate(t, 'ab', 'xy'), concat(t, n4, b) FROM t
SELECT reverse(t), repeat(t, 2), repeat(t, 0), repeat(t, -1) FROM t ORDER BY id
SELECT lpad(t, 5), rpad(t, 5), lpad(t, 5, '*-'), rpad(t, 2, '') FROM t ORDER BY id
SELECT substr(t, 2), substr(t, -1, 3), substring(t from 2 for 1), substring(t, 0) FROM t ORDER BY id
SELECT overlay(t placing 'XX' from 2 for 1), overlay(t placing 'Y' from 1) FROM t ORDER BY id
SELECT position('a' in t), strpos(t, ''), strpos(t, v) FROM t ORDER BY id
SELECT split_part(t, '/', -1), split_part(t, ',', 2), split_part(t, '', 1) FROM t ORDER BY id
SELECT length(t), octet_length(t), bit_length(t), char_length(v), length(t || v) FROM t ORDER BY id
SELECT concat(t, v), concat(t, NULL, 1, true), concat_ws('-', t, NULL, v), concat_ws(',', id, n4) FROM t ORDER BY id
SELECT ascii(t), chr(64 + id) FROM t ORDER BY id
SELECT translate(t, 'abc', 'xy'), translate(t, 'a', '') FROM t ORDER BY id
SELECT string_to_array(t, '/'), string_to_array(t, ''), string_to_array(t, NULL), string_to_array(t, ',', 'x') FROM t ORDER BY id
SELECT array_to_string(labels, ','), array_to_string(labels, ',', '*') FROM t ORDER BY id
SELECT t || v, t || '', t || NULL, 'a' || id, id || t FROM t ORDER BY id
SELECT starts_with(t, 'a'), t ^@ 'web', starts_with(t, '') FROM t ORDER BY id

--: postgres
SELECT lower(t), upper(t), initcap(t) FROM t
SELECT format('%s-%L', t, v), md5(t), quote_literal(t), reverse(t), repeat(t, 2) FROM t
SELECT initcap(t), initcap('hello wORLD of-sql') FROM t ORDER BY id
SELECT substring(t from 'a(.)'), substring(t similar '%#"a#"%' escape '#') FROM t ORDER BY id
SELECT sha256(t::bytea), encode(t::bytea, 'hex') FROM t WHERE t NOT LIKE '%\\%' ORDER BY id
SELECT format('%s is %I and %L', t, v, t), format('%2$s %1$s', id, b), format('%-5s|%5s|', id, id) FROM t WHERE v <> '' ORDER BY id
SELECT quote_ident(v), quote_literal(t), quote_nullable(t) FROM t ORDER BY id
SELECT unistr('\0061\0062'), U&'\0063', E'\x41\u00e9\n', 'it''s', $$dollar$$, $q$a$b$q$ FROM t WHERE id = 1
SELECT 'a'
    'b' AS joined FROM t WHERE id = 1
SELECT normalize(t, NFC), t IS NFC NORMALIZED FROM t ORDER BY id
SELECT to_ascii(v, 'LATIN1') IS NULL, pg_client_encoding() FROM t WHERE v = 'a' ORDER BY id
SELECT casefold(t) FROM t ORDER BY id
SELECT v::varchar(2), t::char(3), t::char(3) || '|', length(t::char(5)) FROM t ORDER BY id
SELECT c, c || '|', length(c), c = 'ab', c::text FROM m ORDER BY id
SELECT crc32('abc'), reverse('abc'::bytea), id FROM t WHERE id = 1
SELECT parse_ident('a.b'), id FROM t WHERE id = 1
SELECT regexp_count(t, 'a'), regexp_instr(t, 'b'), regexp_substr(t, '[a-z]+') FROM t ORDER BY id
SELECT octet_length(by), length(by), by || '\x00'::bytea, get_byte(by, 0) FROM m WHERE length(by) > 0 ORDER BY id
SELECT encode(by, 'hex'), encode(by, 'base64'), encode(by, 'escape') FROM m ORDER BY id
SELECT convert_from(convert_to(t, 'UTF8'), 'UTF8') = t FROM t ORDER BY id
