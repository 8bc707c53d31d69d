-- The sales model's predictions for concerts that are still to come.
CREATE TABLE IF NOT EXISTS concert_dw.concert_predictions (
    concert_id       VARCHAR(64)   NOT NULL,
    model_version    INTEGER       NOT NULL,
    starts_at        TIMESTAMP     NOT NULL,
    expected_tickets DECIMAL(12,1) NOT NULL,
    low_tickets      DECIMAL(12,1) NOT NULL,
    high_tickets     DECIMAL(12,1) NOT NULL,
    confidence       DECIMAL(5,4)  NOT NULL,
    model_role       VARCHAR(16),
    PRIMARY KEY (concert_id)
) DISTSTYLE ALL SORTKEY (starts_at);
