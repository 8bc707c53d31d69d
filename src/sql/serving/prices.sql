-- The prices that nearly all concerts have: a forecast for another one leaves what was seen.
SELECT PERCENTILE_CONT(0.01) WITHIN GROUP (ORDER BY base_price) AS low,
       PERCENTILE_CONT(0.99) WITHIN GROUP (ORDER BY base_price) AS high
FROM concert_dw.concerts
WHERE base_price > 0;
