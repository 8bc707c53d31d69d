-- Concerts, times and keys decide about the events that no rule has refused.
INSERT INTO streamed_checked
SELECT f.n, f.shard_id, f.position, f.arrived_at, f.sent_at, f.record_key, :columns_of_first,
       f.capacity, f.tickets_sold, CASE
        WHEN f.rule IS NOT NULL THEN f.rule
        WHEN s.sale_id IS NOT NULL AND :print_of_sale = f.print THEN 'duplicate'
        WHEN s.sale_id IS NOT NULL THEN 'conflicting_key'
        WHEN f.nth > 1 AND f.first_print = f.print THEN 'duplicate'
        WHEN f.nth > 1 THEN 'conflicting_key'
    END AS outcome
FROM (
    SELECT r.*, ROW_NUMBER() OVER (PARTITION BY r.rule, r.sale_id ORDER BY r.n) AS nth,
           FIRST_VALUE(r.print) OVER (PARTITION BY r.rule, r.sale_id ORDER BY r.n
               ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS first_print
    FROM (
        SELECT j.n, j.shard_id, j.position, j.arrived_at, j.sent_at, j.record_key, :columns,
               c.capacity, c.tickets_sold, :print_of_event AS print,
               CASE
                   WHEN j.rule IS NOT NULL THEN j.rule
                   WHEN c.concert_id IS NULL THEN 'orphan:concert_id'
                   WHEN j.purchased_at > c.starts_at THEN 'sold_after_show'
                   WHEN j.purchased_at > DATEADD(minute, :ahead, j.sent_at)
                       THEN 'sold_in_future'
               END AS rule
        FROM streamed_judged j
        LEFT JOIN concert_live.concert_seats c ON c.concert_id = j.concert_id
    ) AS r
) AS f
LEFT JOIN concert_dw.ticket_sales s ON s.sale_id = f.sale_id AND f.rule IS NULL;
