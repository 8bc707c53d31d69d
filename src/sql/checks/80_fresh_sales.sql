-- check: the newest sale is at most a week older than the as-of date
-- expect: <= 7
SELECT DATEDIFF(day, MAX(purchased_at), CAST(:as_of AS TIMESTAMP))
FROM concert_dw.ticket_sales;
