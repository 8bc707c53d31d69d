-- Tickets and revenue by month of purchase, the newest sixty months.
SELECT DATE_TRUNC('month', purchased_at) AS month,
       SUM(quantity) AS tickets,
       SUM(total_amount) AS revenue
FROM concert_dw.ticket_sales
GROUP BY 1
ORDER BY 1 DESC
LIMIT 60;
