-- Late sales, noted.
INSERT INTO concert_live.late_sales (sale_id, purchased_at, sent_at)
SELECT sale_id, purchased_at, sent_at
FROM streamed_checked
WHERE outcome IS NULL AND purchased_at < DATEADD(minute, :late, sent_at);
