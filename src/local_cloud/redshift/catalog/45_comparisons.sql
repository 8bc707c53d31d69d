-- Texts that differ in trailing blanks only are equal: VARCHAR is compared as PostgreSQL compares
-- its blank-padded type, by the server's own functions, in every operator, sort, join and group.
DO $$
DECLARE
    comparison record; early text; late text;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_opfamily WHERE opfname = 'blank_insensitive_ops') THEN
        RETURN;
    END IF;
    CREATE OPERATOR FAMILY pg_catalog.blank_insensitive_ops USING btree;
    CREATE OPERATOR FAMILY pg_catalog.blank_insensitive_ops USING hash;
    FOR early, late IN VALUES ('varchar', 'varchar'), ('varchar', 'text'), ('text', 'varchar'),
                              ('varchar', 'bpchar'), ('bpchar', 'varchar') LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.bpcharcmp(%s, %s) RETURNS integer '
                       'LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS ''bpcharcmp''',
                       early, late);
        FOR comparison IN SELECT * FROM (VALUES
            ('=', 'eq', '=', '<>', 'eqsel', 'eqjoinsel'),
            ('<>', 'ne', '<>', '=', 'neqsel', 'neqjoinsel'),
            ('<', 'lt', '>', '>=', 'scalarltsel', 'scalarltjoinsel'),
            ('<=', 'le', '>=', '>', 'scalarlesel', 'scalarlejoinsel'),
            ('>', 'gt', '<', '<=', 'scalargtsel', 'scalargtjoinsel'),
            ('>=', 'ge', '<=', '<', 'scalargesel', 'scalargejoinsel')
        ) AS o (sign, name, commutator, negator, one_side, two_sides) LOOP
            EXECUTE format('CREATE FUNCTION redshift_local.bpchar%s(%s, %s) RETURNS boolean '
                           'LANGUAGE internal IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS %L',
                           comparison.name, early, late, 'bpchar' || comparison.name);
            EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = redshift_local.bpchar%s, '
                           'LEFTARG = %s, RIGHTARG = %s, COMMUTATOR = OPERATOR(pg_catalog.%s), '
                           'NEGATOR = OPERATOR(pg_catalog.%s), RESTRICT = %s, JOIN = %s%s)',
                           comparison.sign, comparison.name, early, late, comparison.commutator,
                           comparison.negator, comparison.one_side, comparison.two_sides,
                           CASE WHEN comparison.sign <> '=' THEN ''
                                WHEN early = late THEN ', HASHES, MERGES' ELSE ', HASHES' END);
        END LOOP;
    END LOOP;
    FOREACH early IN ARRAY ARRAY['varchar', 'text'] LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.hashbpchar(%s) RETURNS integer '
                       'LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS ''hashbpchar''', early);
        EXECUTE format('CREATE FUNCTION redshift_local.hashbpcharextended(%s, bigint) RETURNS bigint '
                       'LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE '
                       'AS ''hashbpcharextended''', early);
    END LOOP;
    CREATE OPERATOR CLASS pg_catalog.blank_insensitive_ops DEFAULT FOR TYPE varchar USING btree
        FAMILY pg_catalog.blank_insensitive_ops AS
        OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
        FUNCTION 1 redshift_local.bpcharcmp(varchar, varchar),
        FUNCTION 2 (varchar, varchar) pg_catalog.bpchar_sortsupport(internal);
    CREATE OPERATOR CLASS pg_catalog.blank_insensitive_ops DEFAULT FOR TYPE varchar USING hash
        FAMILY pg_catalog.blank_insensitive_ops AS
        OPERATOR 1 =,
        OPERATOR 1 = (varchar, text), OPERATOR 1 = (text, varchar),
        OPERATOR 1 = (varchar, bpchar), OPERATOR 1 = (bpchar, varchar),
        FUNCTION 1 redshift_local.hashbpchar(varchar),
        FUNCTION 2 redshift_local.hashbpcharextended(varchar, bigint),
        FUNCTION 1 (text, text) redshift_local.hashbpchar(text),
        FUNCTION 2 (text, text) redshift_local.hashbpcharextended(text, bigint),
        FUNCTION 1 (bpchar, bpchar) pg_catalog.hashbpchar(bpchar),
        FUNCTION 2 (bpchar, bpchar) pg_catalog.hashbpcharextended(bpchar, bigint);
    CREATE FUNCTION pg_catalog.textcat(varchar, text) RETURNS varchar
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textcat';
    CREATE OPERATOR pg_catalog.|| (FUNCTION = pg_catalog.textcat, LEFTARG = varchar,
                                   RIGHTARG = text);
END $$;

-- What is made of a VARCHAR is one.
DO $$
DECLARE
    made text;
BEGIN
    FOR made IN
        SELECT format('CREATE FUNCTION pg_catalog.%I(%s) RETURNS varchar LANGUAGE internal '
                      'IMMUTABLE STRICT PARALLEL SAFE AS %L', p.proname,
                      regexp_replace(pg_get_function_arguments(p.oid), '^text', 'varchar'), p.prosrc)
          FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
         WHERE p.pronamespace = 'pg_catalog'::regnamespace AND l.lanname = 'internal'
           AND p.prorettype = 'text'::regtype AND p.proargtypes[0] = 'text'::regtype
           AND p.proname IN ('lower', 'upper', 'btrim', 'ltrim', 'rtrim', 'substr', 'substring',
                             'replace', 'left', 'right', 'split_part', 'initcap', 'reverse',
                             'repeat', 'lpad', 'rpad', 'translate')
           AND to_regprocedure(format('pg_catalog.%I(%s)', p.proname, regexp_replace(
                   pg_get_function_arguments(p.oid), '^text', 'varchar'))) IS NULL
    LOOP
        EXECUTE made;
    END LOOP;
END $$;
