-- check: every concert has its artist
-- expect: = 0
-- An expression: Redshift trusts a declared reference, and would find every parent.
SELECT COUNT(*)
FROM concert_dw.concerts c
LEFT JOIN concert_dw.artists a ON a.artist_id = c.artist_id || ''
WHERE a.artist_id IS NULL;
