-- check: total_amount is quantity x unit_price, but for the cents that the price was rounded to
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.ticket_sales
WHERE total_amount <> quantity * unit_price
  AND ABS(total_amount - quantity * unit_price) > quantity * 0.005 + 0.005;
