-- The sales.
INSERT INTO concert_dw.ticket_sales (:names, streamed_at)
SELECT :names, :now
FROM streamed_checked
WHERE outcome IS NULL;
