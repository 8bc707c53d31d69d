-- What the last load rejected, by table and rule.
SELECT table_name, rule, COUNT(*) AS records
FROM concert_dw.rejected_records
WHERE run_id <> 'stream'
GROUP BY table_name, rule
ORDER BY records DESC, table_name, rule;
