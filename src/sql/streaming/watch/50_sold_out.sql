-- The concerts still to come that are sold out.
SELECT s.concert_id, a.name AS artist
FROM concert_live.concert_seats s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
JOIN concert_dw.artists a ON a.artist_id = c.artist_id
WHERE s.tickets_sold >= s.capacity
  AND s.starts_at > (SELECT MAX(purchased_at) FROM concert_dw.ticket_sales
                     WHERE streamed_at IS NULL)
ORDER BY s.concert_id;
