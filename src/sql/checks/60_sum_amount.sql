-- check: total_amount is quantity x unit_price, to the cent
-- expect: = 0
SELECT COUNT(*) FROM concert_dw.ticket_sales WHERE total_amount <> quantity * unit_price;
