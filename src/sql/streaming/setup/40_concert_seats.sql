-- What the ingestion asks of a concert: when it is, how many tickets there are and are sold.
CREATE TABLE IF NOT EXISTS concert_live.concert_seats (
    concert_id   VARCHAR(64) NOT NULL,
    starts_at    TIMESTAMP   NOT NULL,
    capacity     INTEGER,
    tickets_sold BIGINT      NOT NULL,
    PRIMARY KEY (concert_id)
) DISTSTYLE KEY DISTKEY (concert_id);
