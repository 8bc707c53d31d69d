-- The sales model's predictions for concerts that are still to come: expected, low and high tickets
-- from what was known at on-sale, and moved ones that follow from what is sold so far.
CREATE TABLE IF NOT EXISTS concert_dw.concert_predictions (
    concert_id       VARCHAR(64)   NOT NULL,
    model_version    INTEGER       NOT NULL,
    starts_at        TIMESTAMP     NOT NULL,
    expected_tickets DECIMAL(12,1) NOT NULL,
    low_tickets      DECIMAL(12,1) NOT NULL,
    high_tickets     DECIMAL(12,1) NOT NULL,
    confidence       DECIMAL(5,4)  NOT NULL,
    model_role       VARCHAR(16),
    sell_out         DECIMAL(5,4),
    demand           DECIMAL(14,1),
    sold_so_far      INTEGER,
    moved_tickets    DECIMAL(12,1),
    moved_low        DECIMAL(12,1),
    moved_high       DECIMAL(12,1),
    as_of            TIMESTAMP,
    PRIMARY KEY (concert_id)
) DISTSTYLE ALL SORTKEY (starts_at);
