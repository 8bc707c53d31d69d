-- check: every sale has its concert
-- expect: = 0
SELECT COALESCE(SUM(CASE WHEN c.concert_id IS NULL THEN s.rows_sold END), 0)
FROM concert_dw.concerts c
FULL JOIN (
    -- An expression: Redshift trusts a declared reference, and would find every parent.
    SELECT concert_id || '' AS concert_id, COUNT(*) AS rows_sold, SUM(quantity) AS sold,
           SUM(CASE WHEN streamed_at IS NULL THEN quantity ELSE 0 END) AS sold_before
    FROM concert_dw.ticket_sales
    GROUP BY 1
) AS s ON s.concert_id = c.concert_id
LEFT JOIN concert_dw.venues v ON v.venue_id = c.venue_id
LEFT JOIN (
    SELECT DISTINCT REGEXP_REPLACE(
               BTRIM(JSON_EXTRACT_PATH_TEXT(raw_record, 'concert_id', TRUE)), '[.]0$', '')
               AS concert_id
    FROM concert_dw.rejected_records
    WHERE table_name = 'ticket_sales' AND run_id <> 'stream'
) AS r ON r.concert_id = c.concert_id
CROSS JOIN (
    SELECT COUNT(*) AS at_least
    FROM (SELECT sale_id FROM concert_dw.ticket_sales LIMIT 1) AS one
) AS sales;
