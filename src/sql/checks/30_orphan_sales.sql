-- check: every sale has its concert
-- expect: = 0
-- An expression: Redshift trusts a declared reference, and would find every parent.
SELECT COUNT(*)
FROM concert_dw.ticket_sales s
LEFT JOIN concert_dw.concerts c ON c.concert_id = s.concert_id || ''
WHERE c.concert_id IS NULL;
