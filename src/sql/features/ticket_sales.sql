-- One row per concert: what is known when its tickets go on sale, and what it sold in the end.
-- History counts only shows that had started before this concert's own on-sale time.
WITH shows AS (
    SELECT c.concert_id, c.artist_id, c.venue_id, c.starts_at, c.status, c.base_price,
           COALESCE(c.on_sale_at, DATEADD(day, -60, c.starts_at)) AS on_sale_at,
           COALESCE(c.tickets_sold, sold.tickets, 0) AS tickets_sold,
           a.genre, a.popularity, v.capacity, v.venue_type, v.city,
           COALESCE(c.tickets_sold, sold.tickets, 0) / CAST(v.capacity AS DOUBLE PRECISION)
               AS sell_through
    FROM concert_dw.concerts c
    JOIN concert_dw.artists a ON a.artist_id = c.artist_id
    JOIN concert_dw.venues v ON v.venue_id = c.venue_id
    LEFT JOIN (
        SELECT concert_id, SUM(quantity) AS tickets
        FROM concert_dw.ticket_sales
        GROUP BY concert_id
    ) AS sold ON sold.concert_id = c.concert_id
),
artist_history AS (
    SELECT s.concert_id,
           COUNT(*) AS shows,
           AVG(p.sell_through) AS sell_through,
           AVG(LN(p.tickets_sold + 1.0)) AS log_tickets,
           AVG(LN(p.capacity)) AS log_capacity,
           AVG(CASE WHEN p.tickets_sold >= p.capacity THEN 1.0 ELSE 0.0 END) AS sold_out
    FROM shows s
    JOIN shows p ON p.artist_id = s.artist_id AND p.starts_at < s.on_sale_at
    GROUP BY s.concert_id
),
venue_history AS (
    SELECT s.concert_id,
           COUNT(*) AS shows,
           AVG(p.sell_through) AS sell_through
    FROM shows s
    JOIN shows p ON p.venue_id = s.venue_id AND p.starts_at < s.on_sale_at
    GROUP BY s.concert_id
),
city_history AS (
    SELECT s.concert_id, AVG(p.sell_through) AS sell_through
    FROM shows s
    JOIN shows p ON p.city = s.city AND p.starts_at < s.on_sale_at
        AND p.starts_at >= DATEADD(day, -365, s.on_sale_at)
    GROUP BY s.concert_id
),
competition AS (
    SELECT s.concert_id, COUNT(*) AS shows
    FROM shows s
    JOIN shows p ON p.city = s.city AND p.concert_id <> s.concert_id
        AND p.on_sale_at < s.on_sale_at
        AND p.starts_at BETWEEN DATEADD(day, -7, s.starts_at) AND DATEADD(day, 7, s.starts_at)
    GROUP BY s.concert_id
)
SELECT s.concert_id, s.artist_id, s.venue_id, s.starts_at, s.on_sale_at, s.status,
       s.tickets_sold, s.capacity, s.popularity, s.base_price, s.genre, s.venue_type, s.city,
       DATEDIFF(day, s.on_sale_at, s.starts_at) AS lead_days,
       COALESCE(ah.shows, 0) AS artist_prior_shows,
       ah.sell_through AS artist_prior_sell_through,
       ah.log_tickets AS artist_prior_log_tickets,
       ah.log_capacity AS artist_prior_log_capacity,
       ah.sold_out AS artist_prior_sold_out,
       COALESCE(vh.shows, 0) AS venue_prior_shows,
       vh.sell_through AS venue_prior_sell_through,
       ch.sell_through AS city_prior_sell_through,
       COALESCE(k.shows, 0) AS city_competition
FROM shows s
LEFT JOIN artist_history ah ON ah.concert_id = s.concert_id
LEFT JOIN venue_history vh ON vh.concert_id = s.concert_id
LEFT JOIN city_history ch ON ch.concert_id = s.concert_id
LEFT JOIN competition k ON k.concert_id = s.concert_id
ORDER BY s.starts_at, s.concert_id;
