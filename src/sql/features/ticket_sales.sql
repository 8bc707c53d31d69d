-- One row per concert of a venue whose capacity is known: what is known when its tickets go on
-- sale, and what it sold in the end. :newest_sale is the as-of date of the data, or else its newest
-- sale: a concert without a status is over if it had started by then.
-- History counts only shows that are over and had started before this concert's own on-sale time.
--
-- Each history is a stream of events in time order: a show that is over adds itself (kind 1), and a
-- concert reads at its on-sale time what exists so far (kind 0). At the same moment the questions
-- come first. The sums are decimals: exact, and so the same in any order of addition. Competition
-- is counted the same way by day: a show adds itself to the six days around it; only shows seven
-- days away are compared by their hour. The model itself remembers earlier shows by artist and venue
-- (src/services/demand/earlier_shows.py); what is read here is for the baselines
-- and for the report.
WITH sold AS (
    SELECT concert_id, SUM(quantity) AS tickets
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
),
shows AS (
    SELECT c.concert_id, c.artist_id, c.venue_id, v.city, v.venue_type, v.capacity, c.base_price,
           c.starts_at,
           COALESCE(c.on_sale_at, DATEADD(day, -60, c.starts_at)) AS on_sale_at,
           DATEDIFF(day, CAST('2000-01-01' AS TIMESTAMP), c.starts_at) AS show_day,
           COALESCE(c.status, CASE WHEN c.starts_at <= CAST(:newest_sale AS TIMESTAMP)
                                   THEN 'completed' ELSE 'on_sale' END) AS status,
           COALESCE(c.tickets_sold, sold.tickets, 0) AS tickets_sold
    FROM concert_dw.concerts c
    JOIN concert_dw.venues v ON v.venue_id = c.venue_id
    LEFT JOIN sold ON sold.concert_id = c.concert_id
),
roles AS (
    SELECT 'artist' AS history, 0 AS kind
    UNION ALL SELECT 'artist', 1
    UNION ALL SELECT 'venue', 0
    UNION ALL SELECT 'venue', 1
),
events AS (
    SELECT r.history, r.kind, s.concert_id,
           CASE r.history WHEN 'artist' THEN s.artist_id ELSE s.venue_id END AS owner,
           CASE r.kind WHEN 0 THEN s.on_sale_at ELSE s.starts_at END AS happens_at,
           r.kind AS shows,
           CASE WHEN r.kind = 1 THEN CAST(s.tickets_sold / CAST(s.capacity AS DOUBLE PRECISION)
                                          AS DECIMAL(38,18)) END AS sell_through
    FROM shows s
    CROSS JOIN roles r
    WHERE s.capacity IS NOT NULL AND (r.kind = 0 OR s.status = 'completed')
),
so_far AS (
    SELECT history, kind, concert_id,
           SUM(shows) OVER (PARTITION BY history, owner ORDER BY happens_at, kind
                            ROWS UNBOUNDED PRECEDING) AS shows,
           SUM(sell_through) OVER (PARTITION BY history, owner ORDER BY happens_at, kind
                                   ROWS UNBOUNDED PRECEDING) AS sell_through
    FROM events
),
days AS (
    SELECT -6 AS away UNION ALL SELECT -5 UNION ALL SELECT -4 UNION ALL SELECT -3
    UNION ALL SELECT -2 UNION ALL SELECT -1 UNION ALL SELECT 0 UNION ALL SELECT 1
    UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6
),
day_events AS (
    SELECT s.city, s.show_day + d.away AS show_day, s.on_sale_at, 1 AS kind, s.concert_id, 1 AS shows
    FROM shows s
    CROSS JOIN days d
    UNION ALL
    SELECT city, show_day, on_sale_at, 0, concert_id, 0 FROM shows
),
days_so_far AS (
    SELECT kind, concert_id,
           SUM(shows) OVER (PARTITION BY city, show_day ORDER BY on_sale_at, kind
                            ROWS UNBOUNDED PRECEDING) AS shows
    FROM day_events
),
competition AS (
    SELECT concert_id, SUM(shows) AS shows
    FROM (
        SELECT concert_id, shows FROM days_so_far WHERE kind = 0
        UNION ALL
        SELECT s.concert_id, 1
        FROM shows s
        JOIN shows p ON p.city = s.city AND p.show_day = s.show_day - 7
        WHERE p.starts_at >= DATEADD(day, -7, s.starts_at) AND p.on_sale_at < s.on_sale_at
        UNION ALL
        SELECT s.concert_id, 1
        FROM shows s
        JOIN shows p ON p.city = s.city AND p.show_day = s.show_day + 7
        WHERE p.starts_at <= DATEADD(day, 7, s.starts_at) AND p.on_sale_at < s.on_sale_at
    ) AS near_shows
    GROUP BY concert_id
),
totals AS (
    SELECT concert_id,
           MAX(CASE WHEN history = 'artist' THEN shows END) AS artist_prior_shows,
           MAX(CASE WHEN history = 'artist'
                    THEN CAST(sell_through AS DOUBLE PRECISION) / NULLIF(shows, 0) END)
               AS artist_prior_sell_through,
           MAX(CASE WHEN history = 'venue'
                    THEN CAST(sell_through AS DOUBLE PRECISION) / NULLIF(shows, 0) END)
               AS venue_prior_sell_through
    FROM so_far
    WHERE kind = 0
    GROUP BY concert_id
)
SELECT s.concert_id, s.artist_id, s.venue_id, s.starts_at, s.on_sale_at, s.status,
       s.tickets_sold, s.capacity, a.popularity, s.base_price, a.genre, s.venue_type, s.city,
       DATEDIFF(day, s.on_sale_at, s.starts_at) AS lead_days,
       CAST(t.artist_prior_shows AS INTEGER) AS artist_prior_shows,
       t.artist_prior_sell_through, t.venue_prior_sell_through,
       CAST(k.shows AS INTEGER) AS city_competition
FROM shows s
JOIN concert_dw.artists a ON a.artist_id = s.artist_id
JOIN totals t ON t.concert_id = s.concert_id
JOIN competition k ON k.concert_id = s.concert_id
WHERE s.capacity IS NOT NULL
ORDER BY s.starts_at, s.concert_id;
