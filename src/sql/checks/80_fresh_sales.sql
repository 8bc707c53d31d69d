-- check: the newest sale of the source has arrived
-- expect: = 0
SELECT ABS(DATEDIFF(second, MAX(purchased_at), CAST(:newest_sale AS TIMESTAMP)))
FROM concert_dw.ticket_sales
WHERE streamed_at IS NULL;
