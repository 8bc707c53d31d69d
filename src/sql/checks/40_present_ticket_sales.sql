-- check: ticket_sales has every required value
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.ticket_sales
WHERE sale_id IS NULL OR sale_id = ''
   OR concert_id IS NULL OR concert_id = ''
   OR purchased_at IS NULL
   OR quantity IS NULL
   OR unit_price IS NULL;
