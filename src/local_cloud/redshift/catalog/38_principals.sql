-- Users, groups and roles that clients make (decision 0038): plain roles, never more. The client
-- that made no entry here (the warehouse's own user) administers them, as Redshift's first user.
DO $$
DECLARE
    client record;
BEGIN
    IF to_regclass('redshift_local.principals') IS NULL THEN
        CREATE TABLE redshift_local.principals (
            oid oid PRIMARY KEY, kind text CHECK (kind IN ('user', 'group', 'role')));
        IF to_regnamespace('public') IS NOT NULL THEN  -- as on Redshift
            GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
        END IF;
        FOR client IN SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper LOOP
            EXECUTE format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO %I WITH GRANT OPTION',
                           current_database(), client.rolname);
        END LOOP;
    END IF;
    -- createdb, syslog and timeout, of a user
    ALTER TABLE redshift_local.principals ADD COLUMN IF NOT EXISTS options jsonb NOT NULL DEFAULT '{}';
    REVOKE ALL ON redshift_local.principals FROM PUBLIC;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.kind_of(principal oid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT kind FROM redshift_local.principals p WHERE p.oid = $1),
                    CASE principal WHEN 0 THEN 'public' ELSE 'user' END)
$$;

CREATE OR REPLACE FUNCTION redshift_local.is_administrator() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT 1 FROM redshift_local.principals p
                        WHERE p.oid = quote_ident(session_user)::regrole::oid)
$$;

-- The number of a principal of a kind; raises where there is none.
CREATE OR REPLACE FUNCTION redshift_local.principal(wanted text, named text) RETURNS oid
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid;
BEGIN
    SELECT p.oid INTO found FROM redshift_local.principals p JOIN pg_roles r ON r.oid = p.oid
     WHERE p.kind = wanted AND r.rolname = named;
    IF found IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('%s "%s" does not exist', wanted, named);
    END IF;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.require_administrator(what text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT redshift_local.is_administrator() THEN
        RAISE insufficient_privilege USING MESSAGE = 'permission denied to ' || what;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.create_principal(kind text, named text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM redshift_local.require_administrator('create ' || kind);
    IF named IN ('public', 'rdsdb') OR named ~ '^(pg_|redshift_local|rdsdb_)' THEN
        RAISE reserved_name USING MESSAGE = format('%s name "%s" is reserved', kind, named);
    END IF;
    IF to_regrole(quote_ident(named)) IS NOT NULL THEN
        RAISE duplicate_object USING MESSAGE = format('%s "%s" already exists', kind, named);
    END IF;
    EXECUTE format('CREATE ROLE %I %s INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION '
                   'NOBYPASSRLS', named, CASE kind WHEN 'user' THEN 'LOGIN' ELSE 'NOLOGIN' END);
    INSERT INTO redshift_local.principals (oid, kind) VALUES (quote_ident(named)::regrole::oid, kind);
    IF kind = 'user' THEN
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), named);
        -- The administrator has the rights of all users, as a superuser of Redshift.
        EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET TRUE', named, session_user);
    END IF;
END $$;

-- A user may give itself another password; everything else is the administrator's.
CREATE OR REPLACE FUNCTION redshift_local.alter_user(
    named text, has_password boolean, verifier text, until text, connections int, verb text)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF named <> session_user OR until IS NOT NULL OR connections IS NOT NULL THEN
        PERFORM redshift_local.require_administrator(lower(verb) || ' user');
    END IF;
    PERFORM redshift_local.principal('user', named);
    IF has_password AND verifier IS NULL THEN
        EXECUTE format('ALTER ROLE %I PASSWORD NULL', named);
    ELSIF has_password AND verifier ~ '^(SCRAM-SHA-256\$|md5[0-9a-f]{32}$)' THEN
        PERFORM set_config('md5_password_warnings', 'off', true);
        EXECUTE format('ALTER ROLE %I PASSWORD %L', named, verifier);
    END IF;
    IF until IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I VALID UNTIL %L', named, until);
    END IF;
    IF connections IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I CONNECTION LIMIT %s', named, connections);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.rename_principal(kind text, named text, renamed text)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM redshift_local.require_administrator('rename ' || kind);
    PERFORM redshift_local.principal(kind, named);
    IF renamed IN ('public', 'rdsdb') OR renamed ~ '^(pg_|redshift_local|rdsdb_)' THEN
        RAISE reserved_name USING MESSAGE = format('%s name "%s" is reserved', kind, renamed);
    END IF;
    EXECUTE format('ALTER ROLE %I RENAME TO %I', named, renamed);
END $$;

CREATE OR REPLACE FUNCTION redshift_local.drop_principal(kind text, named text, is_lenient boolean)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number oid;
BEGIN
    PERFORM redshift_local.require_administrator('drop ' || kind);
    IF is_lenient AND NOT EXISTS (SELECT 1 FROM redshift_local.principals p JOIN pg_roles r
            ON r.oid = p.oid WHERE p.kind = drop_principal.kind AND r.rolname = named) THEN
        RETURN;
    END IF;
    number := redshift_local.principal(kind, named);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), named);
    BEGIN
        EXECUTE format('DROP ROLE %I', named);
    EXCEPTION WHEN dependent_objects_still_exist THEN
        RAISE dependent_objects_still_exist USING MESSAGE = format(
            '%s "%s" cannot be dropped because the %s owns some object or has a privilege on some '
            'object', kind, named, kind);
    END;
    DELETE FROM redshift_local.principals p WHERE p.oid = number;
END $$;

-- Puts a user into a group, gives a role to a user or a role, or takes it away.
CREATE OR REPLACE FUNCTION redshift_local.set_member(
    kind text, named text, member_kind text, member text, is_member boolean, has_option boolean)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (kind = 'role' AND EXISTS (
            SELECT 1 FROM pg_auth_members m WHERE m.roleid = redshift_local.principal(kind, named)
               AND m.member = quote_ident(session_user)::regrole AND m.admin_option)) THEN
        PERFORM redshift_local.require_administrator('change ' || kind);
    END IF;
    PERFORM redshift_local.principal(kind, named);
    IF NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = member AND NOT r.rolsuper
                      AND redshift_local.kind_of(r.oid) = member_kind
                      AND (r.rolcanlogin OR member_kind <> 'user')) THEN
        RAISE undefined_object USING MESSAGE = format('%s "%s" does not exist', member_kind, member);
    END IF;
    IF NOT is_member AND has_option THEN
        EXECUTE format('REVOKE ADMIN OPTION FOR %I FROM %I', named, member);
    ELSIF NOT is_member THEN
        EXECUTE format('REVOKE %I FROM %I', named, member);
    ELSE
        EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET FALSE%s', named, member,
                       CASE WHEN has_option THEN ', ADMIN TRUE' ELSE '' END);
    END IF;
END $$;

-- What CREATE and ALTER USER keep of a user beside its password: createdb, syslog, timeout.
CREATE OR REPLACE FUNCTION redshift_local.set_user_options(named text, given jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number oid := redshift_local.principal('user', named);
BEGIN
    PERFORM redshift_local.require_administrator('alter user');
    UPDATE redshift_local.principals SET options = options || given WHERE oid = number;
    IF given ? 'timeout' THEN
        EXECUTE format('ALTER ROLE %I SET idle_session_timeout TO %L', named,
                       (given ->> 'timeout') || 's');
    END IF;
END $$;

-- A setting of a user's later sessions: those of SET.
CREATE OR REPLACE FUNCTION redshift_local.set_user_setting(named text, setting text, given text)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF named <> session_user THEN
        PERFORM redshift_local.require_administrator('alter user');
    END IF;
    PERFORM redshift_local.principal('user', named);
    IF setting !~ '^redshift\.[a-z_]+$' AND setting NOT IN ('statement_timeout', 'search_path',
            'timezone', 'datestyle', 'extra_float_digits', 'application_name') THEN
        RAISE insufficient_privilege USING MESSAGE = format('permission denied to set "%s"', setting);
    ELSIF given IS NULL THEN
        EXECUTE format('ALTER ROLE %I RESET %s', named, setting);
    ELSE
        EXECUTE format('ALTER ROLE %I SET %s TO %s', named, setting,
            (SELECT string_agg(quote_literal(trim(part)), ', ')
               FROM regexp_split_to_table(given, ',') AS part));
    END IF;
END $$;

-- A role's owner may give it to others.
CREATE OR REPLACE FUNCTION redshift_local.give_role(named text, given text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM redshift_local.require_administrator('alter role');
    PERFORM redshift_local.principal('role', named);
    IF to_regrole(quote_ident(given)) IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('user "%s" does not exist', given);
    END IF;
    EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', named, given);
END $$;

CREATE OR REPLACE FUNCTION redshift_local.user_option(number oid, name text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT options ->> name FROM redshift_local.principals p WHERE p.oid = number
$$;
CREATE VIEW pg_catalog.svv_user_info AS SELECT usename::text AS user_name, usesysid::int AS user_id,
    coalesce(redshift_local.user_option(usesysid, 'createdb')::boolean, usecreatedb) AS createdb,
    usesuper AS superuser, false AS catalog_update, useconnlimit AS connection_limit,
    upper(coalesce(redshift_local.user_option(usesysid, 'syslog'), 'restricted')) AS syslog_access,
    NULL::timestamp AS last_ddl_ts,
    coalesce(redshift_local.user_option(usesysid, 'timeout')::int, 0) AS session_timeout,
    NULL::text AS external_user_id
    FROM pg_catalog.pg_user_info;

-- A SECURITY DEFINER procedure runs with its owner's rights: the caller becomes a member of the owner's
-- role within its transaction, from the procedure's first statement to its last.
CREATE OR REPLACE FUNCTION redshift_local.definer_of(procedure oid) RETURNS name
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT rolname FROM pg_proc p JOIN pg_roles r ON r.oid = proowner
     WHERE p.oid = procedure AND prokind = 'p' AND prosecdef AND NOT rolsuper
       AND has_function_privilege(session_user, p.oid, 'EXECUTE')
$$;
CREATE OR REPLACE FUNCTION redshift_local.lend_rights(procedure oid) RETURNS name
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := redshift_local.definer_of(procedure);
BEGIN
    IF NOT pg_has_role(session_user, owner, 'SET') THEN
        IF pg_has_role(owner, session_user, 'MEMBER') THEN  -- the administrator has all rights
            EXECUTE format('REVOKE %I FROM %I', session_user, owner);
        END IF;
        EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', owner, session_user);
    END IF;
    RETURN owner;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.take_rights_back(procedure oid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := redshift_local.definer_of(procedure);
BEGIN
    IF owner <> session_user AND NOT redshift_local.is_administrator() THEN
        EXECUTE format('REVOKE %I FROM %I', owner, session_user);
        IF NOT EXISTS (SELECT 1 FROM redshift_local.principals p
                        WHERE p.oid = quote_ident(owner)::regrole) THEN
            EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET TRUE', session_user, owner);
        END IF;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.settings_of(names text[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT coalesce(array_agg(pg_catalog.current_setting(name, true) ORDER BY n), '{}')
      FROM unnest(names) WITH ORDINALITY AS u(name, n)
     WHERE name ~ '^redshift\.' OR name IN ('statement_timeout', 'search_path', 'timezone',
           'datestyle', 'extra_float_digits', 'application_name')
$$;

-- A login with a temporary password (front/logins.py): the user's own is kept here for the moment.
CREATE TABLE IF NOT EXISTS redshift_local.lent_logins (number oid PRIMARY KEY, verifier text);
CREATE OR REPLACE FUNCTION redshift_local.lend_login(named text, verifier text, may_create boolean)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted oid;
BEGIN
    PERFORM redshift_local.require_administrator('log in as a user');
    IF may_create AND to_regrole(quote_ident(named)) IS NULL THEN
        PERFORM redshift_local.create_principal('user', named);
    END IF;
    wanted := redshift_local.principal('user', named);
    INSERT INTO redshift_local.lent_logins
    SELECT oid, rolpassword FROM pg_authid WHERE oid = wanted ON CONFLICT DO NOTHING;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', named, verifier);
END $$;
CREATE OR REPLACE FUNCTION redshift_local.end_login(named text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    own redshift_local.lent_logins;
BEGIN
    PERFORM redshift_local.require_administrator('log in as a user');
    DELETE FROM redshift_local.lent_logins
     WHERE number = redshift_local.principal('user', named) RETURNING * INTO own;
    IF FOUND THEN
        PERFORM set_config('md5_password_warnings', 'off', true);
        EXECUTE format('ALTER ROLE %I PASSWORD %L', named, own.verifier);
    END IF;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.join_groups(named text, groups text[], may_create boolean)
    RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    joined text[] := '{}'; grp text;
BEGIN
    PERFORM redshift_local.require_administrator('change group');
    IF may_create AND to_regrole(quote_ident(named)) IS NULL THEN
        PERFORM redshift_local.create_principal('user', named);
    END IF;
    FOREACH grp IN ARRAY groups LOOP
        PERFORM redshift_local.principal('group', grp);
        IF NOT EXISTS (SELECT 1 FROM pg_auth_members WHERE roleid = quote_ident(grp)::regrole
                          AND member = quote_ident(named)::regrole) THEN
            PERFORM redshift_local.set_member('group', grp, 'user', named, true, false);
            joined := joined || grp;
        END IF;
    END LOOP;
    RETURN joined;
END $$;
