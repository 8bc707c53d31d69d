-- Distributed as ticket_sales is, so that the join of the two never moves a row.
CREATE TABLE IF NOT EXISTS concert_dw.concerts (
    concert_id   VARCHAR(64) NOT NULL,
    artist_id    VARCHAR(64) NOT NULL,
    venue_id     VARCHAR(64) NOT NULL,
    starts_at    TIMESTAMP   NOT NULL,
    on_sale_at   TIMESTAMP,
    base_price   DECIMAL(10,2),
    status       VARCHAR(20),
    tickets_sold INTEGER,
    PRIMARY KEY (concert_id),
    FOREIGN KEY (artist_id) REFERENCES concert_dw.artists (artist_id),
    FOREIGN KEY (venue_id) REFERENCES concert_dw.venues (venue_id)
) DISTSTYLE KEY DISTKEY (concert_id) SORTKEY (starts_at);
