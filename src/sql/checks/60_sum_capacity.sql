-- check: no concert sold more tickets than its venue holds
-- expect: = 0
SELECT COUNT(*)
FROM (
    SELECT s.concert_id
    FROM concert_dw.ticket_sales s
    JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
    JOIN concert_dw.venues v ON v.venue_id = c.venue_id
    GROUP BY s.concert_id, v.capacity
    HAVING SUM(s.quantity) > v.capacity
) AS oversold;

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
