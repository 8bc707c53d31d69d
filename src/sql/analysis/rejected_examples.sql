-- Up to five rejected records of each rule and table.
SELECT table_name, rule, LEFT(record_key, 200) AS record_key, LEFT(parent_key, 200) AS parent_key,
       LEFT(raw_record, 1500) AS raw_record
FROM (
    SELECT table_name, rule, record_key, parent_key, raw_record,
           ROW_NUMBER() OVER (PARTITION BY table_name, rule ORDER BY record_key, raw_record) AS place
    FROM concert_dw.rejected_records
    WHERE run_id <> 'stream'
) AS ordered
WHERE place <= 5
ORDER BY table_name, rule, place;
