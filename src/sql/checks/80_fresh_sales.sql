-- check: the newest sale of the source has arrived
-- expect: = 0
SELECT ABS(DATEDIFF(second, MAX(CASE WHEN streamed_at IS NULL THEN purchased_at END),
                    CAST(:newest_sale AS TIMESTAMP)))
FROM concert_dw.ticket_sales;
