-- The quarantine of the last run: every raw row that was not loaded, and why.
CREATE TABLE IF NOT EXISTS concert_dw.rejected_records (
    run_id     VARCHAR(64)    NOT NULL,
    table_name VARCHAR(64)    NOT NULL,
    record_key VARCHAR(65535),
    rule       VARCHAR(128)   NOT NULL,
    raw_record VARCHAR(65535),
    parent_key VARCHAR(65535)
) DISTSTYLE AUTO SORTKEY (table_name);
