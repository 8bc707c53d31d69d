-- Sales of batch runs, and of the stream: those have the time at which they were ingested.
CREATE TABLE IF NOT EXISTS concert_dw.ticket_sales (
    sale_id       VARCHAR(64)   NOT NULL,
    concert_id    VARCHAR(64)   NOT NULL,
    purchased_at  TIMESTAMP     NOT NULL,
    quantity      INTEGER       NOT NULL,
    unit_price    DECIMAL(10,2) NOT NULL,
    total_amount  DECIMAL(14,2),
    ticket_tier   VARCHAR(20),
    sales_channel VARCHAR(20),
    streamed_at   TIMESTAMP,
    PRIMARY KEY (sale_id),
    FOREIGN KEY (concert_id) REFERENCES concert_dw.concerts (concert_id)
) DISTSTYLE KEY DISTKEY (concert_id) SORTKEY (purchased_at);
