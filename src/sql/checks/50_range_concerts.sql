-- check: prices and ticket counts are not negative, sales open before the show
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.concerts
WHERE base_price < 0 OR tickets_sold < 0 OR on_sale_at > starts_at;
