-- The concerts that sold most since a time.
SELECT r.concert_id, COALESCE(a.name, r.concert_id) AS artist, COALESCE(v.name, '') AS venue,
       COALESCE(v.city, '') AS city, s.capacity, s.tickets_sold,
       r.tickets, r.world_time, c.on_sale_at, c.starts_at
FROM (SELECT concert_id, SUM(quantity) AS tickets, MAX(purchased_at) AS world_time
      FROM concert_dw.ticket_sales WHERE streamed_at > :since
      GROUP BY concert_id ORDER BY tickets DESC, concert_id LIMIT 5) r
JOIN concert_live.concert_seats s ON s.concert_id = r.concert_id
JOIN concert_dw.concerts c ON c.concert_id = r.concert_id
LEFT JOIN concert_dw.artists a ON a.artist_id = c.artist_id
LEFT JOIN concert_dw.venues v ON v.venue_id = c.venue_id
ORDER BY r.tickets DESC, r.concert_id;
