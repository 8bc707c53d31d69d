-- SUPER: a type of its own with Redshift's number, kept as the text of its JSON value. A literal
-- without a type is a string of it, as on Redshift: its input function is written in SQL, which
-- CREATE FUNCTION does not allow for one.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_type WHERE oid = 4000) THEN
        RETURN;
    END IF;
    SET LOCAL client_min_messages = warning;
    CREATE TYPE pg_catalog.super;
    UPDATE pg_type SET oid = 4000 WHERE typname = 'super';
    CREATE FUNCTION redshift_local.super_in(cstring) RETURNS super
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_in';
    CREATE FUNCTION redshift_local.super_out(super) RETURNS cstring
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_out';
    CREATE FUNCTION redshift_local.super_recv(internal) RETURNS super
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_recv';
    CREATE FUNCTION redshift_local.super_send(super) RETURNS bytea
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'json_send';
    CREATE TYPE pg_catalog.super (
        INPUT = redshift_local.super_in, OUTPUT = redshift_local.super_out,
        RECEIVE = redshift_local.super_recv, SEND = redshift_local.super_send,
        INTERNALLENGTH = VARIABLE, STORAGE = extended);
    UPDATE pg_proc SET prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql'), prosrc =
        'SELECT pg_catalog.to_json($1::pg_catalog.text)::pg_catalog.super'
     WHERE oid = 'redshift_local.super_in'::regproc;
    CREATE CAST (super AS json) WITHOUT FUNCTION AS IMPLICIT;
    CREATE CAST (json AS super) WITHOUT FUNCTION AS ASSIGNMENT;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.jsonb(value super) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT value::json::text::jsonb';

-- What every type is as SUPER, and SUPER as every type: what does not fit is NULL.
CREATE OR REPLACE FUNCTION redshift_local.super_of(value text) RETURNS super
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT to_json(value)';
CREATE OR REPLACE FUNCTION redshift_local.text_of(value super) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN json_typeof(value::json) NOT IN ('object', 'array')
                THEN value::json #>> '{}' END
$$;
DO $$
DECLARE
    type text; body text;
BEGIN
    FOREACH type IN ARRAY ARRAY['smallint', 'integer', 'bigint', 'numeric', 'real',
                                'double precision', 'boolean', 'varchar', 'bpchar', 'date',
                                'timestamp', 'timestamptz'] LOOP
        body := CASE WHEN type IN ('varchar', 'bpchar', 'date', 'timestamp', 'timestamptz')
                     OR type = 'text' THEN 'to_json(value::text)'
                     WHEN type IN ('real', 'double precision') THEN
                     'CASE WHEN value::text ~ ''^-?[0-9]'' THEN value::text::json END'
                     ELSE 'value::text::json' END;
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.super_of(value %s) RETURNS super '
                       'LANGUAGE sql STABLE STRICT PARALLEL SAFE AS %L', type, 'SELECT ' || body);
        body := CASE WHEN type IN ('smallint', 'integer', 'bigint') THEN
                     format('CASE WHEN pg_input_is_valid(t, ''numeric'') THEN '
                            'CASE WHEN pg_input_is_valid(round(t::numeric)::text, %L) '
                            'THEN round(t::numeric)::%s END END', type, type)
                     ELSE format('CASE WHEN pg_input_is_valid(t, %L) THEN t::%s END', type, type)
                END;
        -- No SQL functions: in one the text of a constant is read before the condition is.
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.%I(value super) RETURNS %s '
                       'LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS %L', 'to_' || type, type,
                       format('DECLARE t text := redshift_local.text_of(value); '
                              'BEGIN RETURN %s; END', body));
        IF NOT EXISTS (SELECT 1 FROM pg_cast WHERE castsource = type::regtype
                       AND casttarget = 4000) THEN
            EXECUTE format('CREATE CAST (%s AS super) WITH FUNCTION redshift_local.super_of(%s) '
                           'AS IMPLICIT', type, type);
            EXECUTE format('CREATE CAST (super AS %s) WITH FUNCTION redshift_local.%I(super) '
                           'AS ASSIGNMENT', type, 'to_' || type);
        END IF;
    END LOOP;
    -- Drivers bind lists as arrays.
    FOREACH type IN ARRAY ARRAY['smallint[]', 'integer[]', 'bigint[]', 'numeric[]', 'boolean[]',
                                'double precision[]', 'text[]', 'varchar[]'] LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.super_of(value %s) RETURNS super '
                       'LANGUAGE sql STABLE STRICT PARALLEL SAFE AS ''SELECT to_json(value)::super''', type);
        IF NOT EXISTS (SELECT 1 FROM pg_cast WHERE castsource = type::regtype
                       AND casttarget = 4000) THEN
            EXECUTE format('CREATE CAST (%s AS super) WITH FUNCTION redshift_local.super_of(%s) '
                           'AS ASSIGNMENT', type, type);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM pg_cast WHERE castsource = 25 AND casttarget = 4000) THEN
        CREATE CAST (text AS super) WITH FUNCTION redshift_local.super_of(text) AS IMPLICIT;
        CREATE CAST (super AS text) WITH FUNCTION redshift_local.text_of(super) AS IMPLICIT;
    END IF;
END $$;

-- Values of different kinds have no order and are not equal: NULL, but in sorts and groups.
CREATE OR REPLACE FUNCTION redshift_local.super_order(early super, late super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT jsonb_cmp(redshift_local.jsonb(early), redshift_local.jsonb(late)) $$;
CREATE OR REPLACE FUNCTION redshift_local.super_hash(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT jsonb_hash(redshift_local.jsonb(value))';
CREATE OR REPLACE FUNCTION redshift_local.super_compared(early super, late super) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN json_typeof(early::json) = json_typeof(late::json)
                 AND json_typeof(early::json) <> 'null'
                THEN redshift_local.super_order(early, late) END $$;

-- Arithmetic of numbers; + joins strings. Two integers stay one, an exponent makes a FLOAT.
CREATE OR REPLACE FUNCTION redshift_local.super_computed(sign text, early super, late super)
    RETURNS super LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    kinds text := json_typeof(early::json) || ' ' || json_typeof(late::json);
    texts text := redshift_local.text_of(early) || ' ' || redshift_local.text_of(late);
    a numeric; b numeric; result numeric;
BEGIN
    IF kinds = 'string string' AND sign IN ('+', '||') THEN
        RETURN to_json(redshift_local.text_of(early) || redshift_local.text_of(late));
    END IF;
    IF kinds <> 'number number' OR sign = '||' THEN RETURN NULL; END IF;
    a := redshift_local.text_of(early)::numeric;
    b := redshift_local.text_of(late)::numeric;
    IF texts ~* 'e' THEN
        RETURN CASE sign WHEN '+' THEN a::float8 + b::float8 WHEN '-' THEN a::float8 - b::float8
                         WHEN '*' THEN a::float8 * b::float8 WHEN '/' THEN a::float8 / b::float8
                         ELSE mod(a, b)::float8 END;
    END IF;
    result := CASE sign WHEN '+' THEN a + b WHEN '-' THEN a - b WHEN '*' THEN a * b
                        WHEN '%' THEN mod(a, b)
                        WHEN '/' THEN CASE WHEN texts ~ '\.' THEN redshift_local.quotient(a, b,
                             length(regexp_replace(b::text, '[^0-9]', '', 'g')))
                             ELSE div(a, b) END END;
    RETURN result;
END $$;

DO $$
DECLARE
    made record; text text; early text; late text;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_operator WHERE oprleft = 4000) THEN
        RETURN;
    END IF;
    FOR made IN SELECT * FROM (VALUES
        ('=', 'eq', '= 0', '=', '<>', 'eq'), ('<>', 'ne', '<> 0', '<>', '=', 'neq'),
        ('<', 'lt', '< 0', '>', '>=', 'scalarlt'), ('<=', 'le', '<= 0', '>=', '>', 'scalarle'),
        ('>', 'gt', '> 0', '<', '<=', 'scalargt'), ('>=', 'ge', '>= 0', '<=', '<', 'scalarge')
    ) AS o (sign, name, test, commutator, negator, estimate) LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.super_%s(super, super) RETURNS boolean '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', made.name,
                       'SELECT redshift_local.super_compared($1, $2) ' || made.test);
        EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = redshift_local.super_%s, '
                       'LEFTARG = super, RIGHTARG = super, COMMUTATOR = OPERATOR(pg_catalog.%s), '
                       'NEGATOR = OPERATOR(pg_catalog.%s), RESTRICT = %ssel, JOIN = %sjoinsel%s)',
                       made.sign, made.name, made.commutator, made.negator, made.estimate,
                       made.estimate, CASE WHEN made.sign = '=' THEN ', HASHES, MERGES' ELSE '' END);
        -- Texts become SUPER here, though a SUPER may become a text as well.
        FOREACH text IN ARRAY ARRAY['text', 'varchar', 'bpchar'] LOOP
            FOR early, late IN VALUES ('super', text), (text, 'super') LOOP
                EXECUTE format('CREATE FUNCTION redshift_local.super_%s(%s, %s) RETURNS boolean '
                               'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', made.name,
                               early, late, 'SELECT redshift_local.super_compared($1::super, '
                               '$2::super) ' || made.test);
                EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = redshift_local.super_%s, '
                               'LEFTARG = %s, RIGHTARG = %s)', made.sign, made.name, early, late);
            END LOOP;
        END LOOP;
    END LOOP;
    CREATE OPERATOR CLASS pg_catalog.super_ops DEFAULT FOR TYPE super USING btree AS
        OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
        FUNCTION 1 redshift_local.super_order(super, super);
    CREATE OPERATOR CLASS pg_catalog.super_ops DEFAULT FOR TYPE super USING hash AS
        OPERATOR 1 =, FUNCTION 1 redshift_local.super_hash(super);
    FOR made IN SELECT * FROM (VALUES ('+', 'plus'), ('-', 'minus'), ('*', 'times'), ('/', 'over'),
                                      ('%', 'modulo'), ('||', 'joined')) AS o (sign, name) LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.super_%s(super, super) RETURNS super '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', made.name,
                       format('SELECT redshift_local.super_computed(%L, $1, $2)', made.sign));
        EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = redshift_local.super_%s, '
                       'LEFTARG = super, RIGHTARG = super)', made.sign, made.name);
    END LOOP;
    CREATE FUNCTION redshift_local.super_negated(super) RETURNS super
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
        'SELECT redshift_local.super_computed(''-'', 0::super, $1)';
    CREATE OPERATOR pg_catalog.- (FUNCTION = redshift_local.super_negated, RIGHTARG = super);
    CREATE AGGREGATE pg_catalog.sum(super) (SFUNC = redshift_local.super_plus, STYPE = super);
    FOR made IN SELECT * FROM (VALUES ('max', '>'), ('min', '<')) AS o (name, sign) LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.super_%s(super, super) RETURNS super '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', made.name,
                       'SELECT CASE WHEN redshift_local.super_order($1, $2) ' || made.sign
                       || ' 0 THEN $1 ELSE $2 END');
        EXECUTE format('CREATE AGGREGATE pg_catalog.%s(super) (SFUNC = redshift_local.super_%s, '
                       'STYPE = super)', made.name, made.name);
    END LOOP;
    CREATE FUNCTION redshift_local.super_counted(numeric[], super) RETURNS numeric[]
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
        SELECT CASE WHEN $2::numeric IS NULL THEN $1
                    ELSE ARRAY[$1[1] + $2::numeric, $1[2] + 1] END $f$;
    CREATE FUNCTION redshift_local.super_average(numeric[]) RETURNS super
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
        SELECT redshift_local.quotient($1[1], nullif($1[2], 0), length($1[2]::text))::super $f$;
    CREATE AGGREGATE pg_catalog.avg(super) (
        SFUNC = redshift_local.super_counted, STYPE = numeric[], INITCOND = '{0,0}',
        FINALFUNC = redshift_local.super_average);
END $$;
CREATE OR REPLACE FUNCTION redshift_local.scale(value super) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average super, sample super, digits integer)
    RETURNS super LANGUAGE sql IMMUTABLE AS 'SELECT average';
CREATE OR REPLACE FUNCTION redshift_local.quotient(dividend super, divisor super, digits integer)
    RETURNS super LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT dividend / divisor';
