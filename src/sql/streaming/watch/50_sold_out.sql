-- The concerts still to come that are sold out.
SELECT s.concert_id, COALESCE(a.name, s.concert_id) AS artist
FROM concert_live.concert_seats s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
LEFT JOIN concert_dw.artists a ON a.artist_id = c.artist_id
WHERE s.tickets_sold >= s.capacity
  AND s.starts_at > COALESCE((SELECT MAX(purchased_at) FROM concert_dw.ticket_sales
                              WHERE streamed_at IS NULL), '1900-01-01')
ORDER BY s.concert_id;
