CREATE TABLE IF NOT EXISTS concert_dw.venues (
    venue_id   VARCHAR(64)  NOT NULL,
    name       VARCHAR(200) NOT NULL,
    city       VARCHAR(120) NOT NULL,
    country    VARCHAR(2),
    venue_type VARCHAR(40),
    capacity   INTEGER,
    PRIMARY KEY (venue_id)
) DISTSTYLE ALL SORTKEY (venue_id);
