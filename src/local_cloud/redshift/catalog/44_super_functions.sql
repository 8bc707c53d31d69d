-- Navigation, unnesting and the functions of SUPER values.
-- Their arguments are of type json, which nothing but a SUPER becomes.
CREATE OR REPLACE FUNCTION redshift_local.attribute(value json, name text) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN value ->> name IS NOT NULL THEN value -> name END $$;

-- The same as a text: what a cast to VARCHAR makes of it, by fewer steps.
CREATE OR REPLACE FUNCTION redshift_local.attribute_text(value json, name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    found text := value -> name;
BEGIN
    RETURN CASE left(found, 1) WHEN '"' THEN found::json #>> '{}'
           WHEN '{' THEN NULL WHEN '[' THEN NULL WHEN 'n' THEN NULL ELSE found END;
END $$;

-- A name in quotes keeps its case where the session asks for it.
CREATE OR REPLACE FUNCTION redshift_local.quoted_attribute(value json, name text) RETURNS super
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN redshift_local.attribute(value, CASE WHEN lower(redshift_local.setting(
        'enable_case_sensitive_super_attribute', 'off')) IN ('on', 'true', '1')
        THEN name ELSE lower(name) END);
END $$;

CREATE OR REPLACE FUNCTION redshift_local.element(value json, place bigint) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN place >= 0 AND value ->> place::integer IS NOT NULL
                THEN value -> place::integer END $$;
CREATE OR REPLACE FUNCTION redshift_local.element(value json, place integer) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT redshift_local.element(value, place::bigint)';
CREATE OR REPLACE FUNCTION redshift_local.element(value json, name text) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT redshift_local.attribute(value, name)';
CREATE OR REPLACE FUNCTION redshift_local.element(value json, place super) RETURNS super
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE pg_catalog.json_typeof(place)
           WHEN 'number' THEN redshift_local.element(value, place::bigint)
           WHEN 'string' THEN redshift_local.attribute(value, place::text) END $$;

CREATE OR REPLACE FUNCTION redshift_local.elements_at(given json)
    RETURNS TABLE (item super, place bigint) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value::super, n - 1 FROM json_array_elements(
        CASE pg_catalog.json_typeof(given) WHEN 'array' THEN given
             ELSE '[]'::json END) WITH ORDINALITY AS e(value, n) $$;
CREATE OR REPLACE FUNCTION redshift_local.elements(given json) RETURNS SETOF super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT item FROM redshift_local.elements_at(given)';
CREATE OR REPLACE FUNCTION redshift_local.attributes(given json)
    RETURNS TABLE (item super, name varchar) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value::super, key::varchar FROM json_each(
        CASE pg_catalog.json_typeof(given) WHEN 'object' THEN given ELSE '{}'::json END) $$;

-- A JSON text without the blanks between its values; \u1234 in strings is the character.
CREATE OR REPLACE FUNCTION redshift_local.compact(given json) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF given::text !~ '\\[u/]' THEN
        RETURN regexp_replace(given::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g');
    END IF;
    RETURN CASE json_typeof(given)
        WHEN 'string' THEN to_json(given #>> '{}')::text
        WHEN 'array' THEN (SELECT '[' || coalesce(string_agg(redshift_local.compact(value), ','
                                  ORDER BY n), '') || ']'
                             FROM json_array_elements(given) WITH ORDINALITY AS e(value, n))
        WHEN 'object' THEN (SELECT '{' || coalesce(string_agg(
                                   to_json(key) || ':' || redshift_local.compact(value), ','
                                   ORDER BY n), '') || '}'
                              FROM json_each(given) WITH ORDINALITY AS e(key, value, n))
        ELSE given::text END;
END $$;

-- How many arrays and objects a JSON text opens within each other.
CREATE OR REPLACE FUNCTION redshift_local.depth(value text) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT max(depth) FROM (
        SELECT sum(CASE WHEN mark IN ('[', '{') THEN 1 ELSE -1 END) OVER (ORDER BY n)
          FROM string_to_table(regexp_replace(regexp_replace(
                   value, '"(?:[^"\\]|\\.)*"', '', 'g'), '[^][{}]', '', 'g'), NULL)
               WITH ORDINALITY AS t(mark, n)) AS o(depth) $$;

CREATE OR REPLACE FUNCTION redshift_local.json_parse(value text) RETURNS super
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    size integer := octet_length(value);
BEGIN
    -- 1,000 levels are the limit of a SUPER, and fewer than PostgreSQL can read.
    IF size > 2000 AND length(value) - length(replace(replace(value, '[', ''), '{', '')) > 1000
       AND redshift_local.depth(value) > 1000 THEN
        RAISE EXCEPTION 'SUPER value exceeds the maximum nesting depth of 1000'
            USING ERRCODE = 'XX000';
    ELSIF value IS NOT JSON THEN
        PERFORM redshift_local.invalid_json('object', left(value, 100));
    ELSIF size > 16777216 THEN
        RAISE EXCEPTION 'SUPER value exceeds the maximum size of 16777216 bytes'
            USING ERRCODE = 'XX000';
    END IF;
    -- Blanks between values touch a mark or an end: most texts have none, and are compact.
    IF value !~ '[][{}:,]\s|\s[][{}:,]|^\s|\s$|\\[u/]' THEN
        RETURN value::json;
    END IF;
    RETURN redshift_local.compact(value::json)::json;
END $$;
-- The text of a record. Bytes that "escape" leaves alone are the characters themselves: of them no
-- conversion can fail, which is tried first because a block with EXCEPTION takes its time.
CREATE OR REPLACE FUNCTION redshift_local.plain_text(value varbyte) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea := redshift_local.bytes(value);
    found text := encode(bytes, 'escape');
BEGIN
    RETURN CASE WHEN octet_length(found) = octet_length(bytes) THEN found END;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.json_parse(value varbyte) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT redshift_local.json_parse(coalesce(redshift_local.plain_text(value), value::text))';
-- True where JSON_PARSE gives a value: escapes may stand for no character, and a text may be nested
-- too deep; only the attempt tells.
CREATE OR REPLACE FUNCTION redshift_local.could_json_parse(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    PERFORM redshift_local.json_parse(value);
    RETURN true;
EXCEPTION WHEN internal_error OR untranslatable_character OR invalid_text_representation THEN
    RETURN false;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.can_json_parse(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN octet_length(value) < 1000 AND strpos(value, '\u') = 0 THEN value IS JSON
                ELSE redshift_local.could_json_parse(value) END $$;
CREATE OR REPLACE FUNCTION redshift_local.can_json_parse(value varbyte) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    plain text := redshift_local.plain_text(value);
BEGIN
    IF plain IS NOT NULL THEN RETURN redshift_local.can_json_parse(plain); END IF;
    BEGIN
        RETURN redshift_local.can_json_parse(value::text);
    EXCEPTION WHEN character_not_in_repertoire THEN
        RETURN false;
    END;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.json_serialize(value super) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF octet_length(value::json::text) > 65535 THEN
        PERFORM redshift_local.too_long('', 65535);
    END IF;
    RETURN value::json::text;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.json_serialize_to_varbyte(value super) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT value::json::text::varbyte';
CREATE OR REPLACE FUNCTION redshift_local.json_size(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT octet_length(value::json::text)';
CREATE OR REPLACE FUNCTION redshift_local.json_typeof(value super) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT pg_catalog.json_typeof(value::json)';

DO $$
DECLARE
    test record;
BEGIN
    FOR test IN SELECT * FROM (VALUES
        ('is_array', $t$k = 'array'$t$), ('is_object', $t$k = 'object'$t$),
        ('is_boolean', $t$k = 'boolean'$t$), ('is_varchar', $t$k = 'string'$t$),
        ('is_char', $t$k = 'string' AND t !~ '[^\x01-\x7f]'$t$),
        ('is_scalar', $t$k NOT IN ('array', 'object')$t$),
        ('is_float', $t$k = 'number' AND t ~* 'e'$t$),
        ('is_decimal', $t$k = 'number' AND t ~ '^-?[0-9]+\.[0-9]+$'$t$),
        ('is_smallint', $t$k = 'number' AND pg_input_is_valid(t, 'smallint')$t$),
        ('is_integer', $t$k = 'number' AND pg_input_is_valid(t, 'integer')$t$),
        ('is_bigint', $t$k = 'number' AND pg_input_is_valid(t, 'bigint')$t$)
    ) AS o (name, condition) LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.%s(value super) RETURNS boolean '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', test.name,
                       format('SELECT %s FROM (SELECT pg_catalog.json_typeof(value::json), '
                              'redshift_local.text_of(value)) AS v(k, t)', test.condition));
    END LOOP;
    FOR test IN SELECT unnest(ARRAY['abs', 'floor', 'ceil', 'ceiling', 'round', 'trunc', 'sign'])
                       AS name LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION pg_catalog.%s(value super) RETURNS super '
                       'LANGUAGE sql IMMUTABLE STRICT AS %L', test.name,
                       format('SELECT %s(CASE pg_catalog.json_typeof(value::json) WHEN ''number'' '
                              'THEN value::numeric END)::super', test.name));
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.items(value super) RETURNS super[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pg_catalog.json_typeof(value::json) = 'array'
                THEN coalesce(array_agg(item ORDER BY place) FILTER (WHERE place IS NOT NULL), '{}')
           END FROM redshift_local.elements_at(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.array(VARIADIC given super[]) RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('[' || coalesce((SELECT string_agg(coalesce(value::json::text, 'null'), ',' ORDER BY n)
        FROM unnest(given) WITH ORDINALITY AS e(value, n)), '') || ']')::json $$;
CREATE OR REPLACE FUNCTION redshift_local.array() RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT '[]'::json $$;
CREATE OR REPLACE FUNCTION redshift_local.object(VARIADIC given super[]) RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('{' || (SELECT string_agg(to_json(given[n]::text) || ':'
                    || coalesce(given[n + 1]::json::text, 'null'), ',' ORDER BY n)
        FROM generate_series(1, array_length(given, 1), 2) AS n) || '}')::json $$;
CREATE OR REPLACE FUNCTION redshift_local.object() RETURNS super
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT '{}'::json $$;

CREATE OR REPLACE FUNCTION redshift_local.array_concat(early super, late super) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_local.array(
        VARIADIC redshift_local.items(early) || redshift_local.items(late)) $$;
CREATE OR REPLACE FUNCTION redshift_local.array_flatten(value super) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN redshift_local.is_array(value) THEN redshift_local.array(VARIADIC coalesce((
        SELECT array_agg(coalesce(i.item, e.item) ORDER BY e.place, i.place)
          FROM redshift_local.elements_at(value) AS e
          LEFT JOIN LATERAL redshift_local.elements_at(e.item) AS i ON true
         WHERE i.place IS NOT NULL OR NOT redshift_local.is_array(e.item)), '{}')) END $$;
CREATE OR REPLACE FUNCTION redshift_local.get_array_length(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN redshift_local.is_array(value) THEN json_array_length(value::json) END $$;
CREATE OR REPLACE FUNCTION redshift_local.subarray(value super, first integer, length integer)
    RETURNS super LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN redshift_local.is_array(value) THEN redshift_local.array(
        VARIADIC (redshift_local.items(value))[first + 1 : first + length]) END $$;
CREATE OR REPLACE FUNCTION redshift_local.subarray(value super, first integer)
    RETURNS super LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT redshift_local.subarray(value, first, json_array_length(value::json))';
CREATE OR REPLACE FUNCTION redshift_local.split_to_array(value text, delimiter text DEFAULT ',')
    RETURNS super LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT redshift_local.array(VARIADIC coalesce(array_agg(part::super ORDER BY n), '{}'))
      FROM unnest(string_to_array(value, delimiter)) WITH ORDINALITY AS p(part, n) $$;
CREATE OR REPLACE FUNCTION redshift_local.array_contains(
    value super, wanted super, is_null_matched boolean DEFAULT false)
    RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT EXISTS (SELECT 1 FROM redshift_local.elements_at(value)
                    WHERE redshift_local.super_order(item, wanted) = 0) $$;
CREATE OR REPLACE FUNCTION redshift_local.array_position(value super, wanted super)
    RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT coalesce(min(place), -1)::integer FROM redshift_local.elements_at(value)
     WHERE redshift_local.super_order(item, wanted) = 0 $$;
CREATE OR REPLACE FUNCTION redshift_local.array_distinct(value super)
    RETURNS super LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT redshift_local.array(VARIADIC coalesce(array_agg(item ORDER BY first), '{}'))
      FROM (SELECT item, min(place) AS first FROM redshift_local.elements_at(value) GROUP BY 1) AS e $$;
CREATE OR REPLACE FUNCTION redshift_local.array_sort(value super) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT redshift_local.array(VARIADIC coalesce(array_agg(item ORDER BY item), '{}'))
      FROM redshift_local.elements_at(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.array_to_string(value super, delimiter text)
    RETURNS varchar LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT string_agg(item::text, delimiter ORDER BY place) FROM redshift_local.elements_at(value) $$;
