-- How far the ingestion is in each shard. Each change of it is committed with the rows behind it.
CREATE TABLE IF NOT EXISTS concert_live.positions (
    shard_id VARCHAR(128) NOT NULL,
    position VARCHAR(128) NOT NULL,
    records  BIGINT       NOT NULL,
    PRIMARY KEY (shard_id)
) DISTSTYLE ALL;
