-- One row per table and load, written in the transaction of the load itself.
CREATE TABLE IF NOT EXISTS concert_dw.load_history (
    run_id        VARCHAR(64)  NOT NULL,
    table_name    VARCHAR(64)  NOT NULL,
    dataset_id    VARCHAR(64)  NOT NULL,
    load_mode     VARCHAR(16)  NOT NULL,
    source        VARCHAR(1024) NOT NULL,
    manifest_sha256 VARCHAR(64) NOT NULL,
    files         INTEGER      NOT NULL,
    bytes         BIGINT       NOT NULL,
    source_rows   BIGINT       NOT NULL,
    rejected_rows BIGINT       NOT NULL,
    table_rows    BIGINT       NOT NULL,
    as_of         TIMESTAMP,
    loaded_at     TIMESTAMP    NOT NULL
) DISTSTYLE AUTO SORTKEY (loaded_at);
