-- Rejected rows whose parent was rejected too, and how many rows they all follow from.
WITH orphans AS (
    SELECT r.table_name, r.record_key, p.table_name AS parent_table, r.parent_key
    FROM concert_dw.rejected_records r
    JOIN (SELECT DISTINCT table_name, record_key FROM concert_dw.rejected_records) p
      ON p.record_key = r.parent_key
     AND p.table_name = CASE r.rule WHEN 'orphan:artist_id' THEN 'artists'
                                    WHEN 'orphan:venue_id' THEN 'venues'
                                    WHEN 'orphan:concert_id' THEN 'concerts' END
)
SELECT COUNT(*) AS records,
       (SELECT COUNT(*)
        FROM (SELECT DISTINCT o.parent_table, o.parent_key
              FROM orphans o
              LEFT JOIN orphans above
                ON above.table_name = o.parent_table AND above.record_key = o.parent_key
              WHERE above.record_key IS NULL) AS roots) AS roots
FROM orphans;
