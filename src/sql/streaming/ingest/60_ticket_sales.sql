-- The sales.
INSERT INTO concert_dw.ticket_sales (:names, streamed_at)
SELECT :names, at
FROM streamed_checked, streamed_tick
WHERE outcome IS NULL;
