-- check: quantities are positive, prices not negative
-- expect: = 0
SELECT COUNT(*) FROM concert_dw.ticket_sales WHERE quantity < 1 OR unit_price < 0;
