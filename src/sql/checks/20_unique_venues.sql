-- check: no two venues rows share a key
-- expect: = 0
-- An expression: Redshift trusts a declared key, and would count its values without a look.
SELECT COUNT(*) - COUNT(DISTINCT venue_id || '') FROM concert_dw.venues;
