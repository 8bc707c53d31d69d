-- Sales that were more than an hour older than the seller's clock when they were sent. They are
-- in concert_dw.ticket_sales like all others: late is not wrong.
CREATE TABLE IF NOT EXISTS concert_live.late_sales (
    sale_id      VARCHAR(64) NOT NULL,
    purchased_at TIMESTAMP   NOT NULL,
    sent_at      TIMESTAMP   NOT NULL,
    PRIMARY KEY (sale_id)
) DISTSTYLE AUTO SORTKEY (sent_at);
