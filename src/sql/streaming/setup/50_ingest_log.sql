-- One row for each transaction that has moved records into the tables; delays are in
-- milliseconds, from the record's arrival in the stream to this transaction.
CREATE TABLE IF NOT EXISTS concert_live.ingest_log (
    ingested_at  TIMESTAMP NOT NULL,
    records      BIGINT    NOT NULL,
    sales        BIGINT    NOT NULL,
    rejected     BIGINT    NOT NULL,
    duplicates   BIGINT    NOT NULL,
    late         BIGINT    NOT NULL,
    delay_p50_ms BIGINT,
    delay_p99_ms BIGINT,
    is_rebuilt   BOOLEAN   NOT NULL
) DISTSTYLE AUTO SORTKEY (ingested_at);
