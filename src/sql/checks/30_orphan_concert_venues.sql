-- check: every concert has its venue
-- expect: = 0
-- An expression: Redshift trusts a declared reference, and would find every parent.
SELECT COUNT(*)
FROM concert_dw.concerts c
LEFT JOIN concert_dw.venues v ON v.venue_id = c.venue_id || ''
WHERE v.venue_id IS NULL;
