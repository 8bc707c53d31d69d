-- check: no concert sold more tickets than its venue holds
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
WHERE s.sold > v.capacity;

-- examples:
SELECT LISTAGG('concert ' || concert_id || ' sold ' || sold || ' of ' || capacity, '; ')
       WITHIN GROUP (ORDER BY place)
FROM (
    SELECT s.concert_id, SUM(s.quantity) AS sold, v.capacity,
           ROW_NUMBER() OVER (ORDER BY s.concert_id) AS place
    FROM concert_dw.ticket_sales s
    JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
    JOIN concert_dw.venues v ON v.venue_id = c.venue_id
    GROUP BY s.concert_id, v.capacity
    HAVING SUM(s.quantity) > v.capacity
) AS oversold
WHERE place <= 3;
