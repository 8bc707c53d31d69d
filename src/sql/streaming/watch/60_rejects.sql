-- Rejected events by rule.
SELECT rule, COUNT(*) AS events FROM concert_dw.rejected_records WHERE run_id = 'stream'
GROUP BY rule ORDER BY events DESC, rule;
