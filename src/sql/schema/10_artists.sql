CREATE TABLE IF NOT EXISTS concert_dw.artists (
    artist_id  VARCHAR(64)  NOT NULL,
    name       VARCHAR(200) NOT NULL,
    genre      VARCHAR(40),
    popularity DECIMAL(5,2),
    country    VARCHAR(2),
    PRIMARY KEY (artist_id)
) DISTSTYLE ALL SORTKEY (artist_id);
