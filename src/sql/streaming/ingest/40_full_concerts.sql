-- The events of concerts for which not all that is ordered is left, in their order.
SELECT e.n, e.concert_id, e.quantity, e.capacity - e.tickets_sold AS seats_left
FROM streamed_checked e
JOIN (
    SELECT concert_id
    FROM streamed_checked
    WHERE outcome IS NULL AND capacity IS NOT NULL
    GROUP BY concert_id, capacity, tickets_sold
    HAVING tickets_sold + SUM(quantity) > capacity
) AS f ON f.concert_id = e.concert_id
WHERE e.outcome IS NULL
ORDER BY e.n;
