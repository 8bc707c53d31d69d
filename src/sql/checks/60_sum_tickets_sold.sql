-- check: the sales of each concert add up to its tickets_sold
-- expect: = 0
SELECT COUNT(*)
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
) AS sales
-- Where sales of a concert were rejected, or there are no sales at all, it may have sold more.
WHERE c.tickets_sold < COALESCE(s.sold_before, 0)
   OR (c.tickets_sold > COALESCE(s.sold_before, 0) AND r.concert_id IS NULL AND sales.at_least > 0);

-- examples:
SELECT LISTAGG('concert ' || concert_id || ' has tickets_sold ' || tickets_sold
               || ', its sales have ' || sold, '; ') WITHIN GROUP (ORDER BY place)
FROM (
    SELECT c.concert_id, c.tickets_sold, COALESCE(s.sold, 0) AS sold,
           ROW_NUMBER() OVER (ORDER BY c.concert_id) AS place
    FROM concert_dw.concerts c
    LEFT JOIN (
        SELECT concert_id, SUM(quantity) AS sold
        FROM concert_dw.ticket_sales
        WHERE streamed_at IS NULL
        GROUP BY concert_id
    ) AS s ON s.concert_id = c.concert_id
    LEFT JOIN (
        SELECT DISTINCT REGEXP_REPLACE(
                   BTRIM(JSON_EXTRACT_PATH_TEXT(raw_record, 'concert_id', TRUE)), '[.]0$', '')
                   AS concert_id
        FROM concert_dw.rejected_records
        WHERE table_name = 'ticket_sales' AND run_id <> 'stream'
    ) AS r ON r.concert_id = c.concert_id
    WHERE c.tickets_sold < COALESCE(s.sold, 0)
       OR (c.tickets_sold > COALESCE(s.sold, 0) AND r.concert_id IS NULL
           AND EXISTS (SELECT 1 FROM concert_dw.ticket_sales))
) AS differing
WHERE place <= 3;
