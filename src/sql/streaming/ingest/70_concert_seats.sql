-- What is sold now.
UPDATE concert_live.concert_seats
SET tickets_sold = concert_seats.tickets_sold + s.quantity
FROM (
    SELECT concert_id, SUM(quantity) AS quantity
    FROM streamed_checked
    WHERE outcome IS NULL
    GROUP BY concert_id
) AS s
WHERE s.concert_id = concert_seats.concert_id;
