-- check: no two ticket_sales rows share a key
-- expect: = 0
SELECT COUNT(*) - COUNT(DISTINCT sale_id) FROM concert_dw.ticket_sales;
