-- check: no two ticket_sales rows share a key
-- expect: = 0
-- An expression: Redshift trusts a declared key, and would count its values without a look.
SELECT COUNT(*) - COUNT(DISTINCT sale_id || '') FROM concert_dw.ticket_sales;
