-- The genre mix: shows, tickets and revenue by the artist's main genre.
WITH sales_by_concert AS (
    SELECT concert_id, COUNT(*) AS records, SUM(quantity) AS tickets,
           SUM(total_amount) AS revenue, MAX(purchased_at) AS last_at
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
)
SELECT COALESCE(a.genre, 'unknown') AS genre,
       COUNT(*) AS concerts,
       SUM(COALESCE(sold.tickets, 0)) AS tickets,
       SUM(COALESCE(sold.revenue, 0)) AS revenue
FROM concert_dw.concerts c
JOIN concert_dw.artists a ON a.artist_id = c.artist_id
LEFT JOIN sales_by_concert sold ON sold.concert_id = c.concert_id
GROUP BY 1
ORDER BY revenue DESC, genre;
