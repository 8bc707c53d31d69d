-- check: no two artists rows share a key
-- expect: = 0
-- An expression: Redshift trusts a declared key, and would count its values without a look.
SELECT COUNT(*) - COUNT(DISTINCT artist_id || '') FROM concert_dw.artists;
