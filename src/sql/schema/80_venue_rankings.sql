-- Venues by their popularity score, and the venue model's forecast of the next quarter's.
CREATE TABLE IF NOT EXISTS concert_dw.venue_rankings (
    venue_id       VARCHAR(64)  NOT NULL,
    model_version  INTEGER      NOT NULL,
    venue_rank     INTEGER      NOT NULL,
    score          DECIMAL(6,2) NOT NULL,
    forecast       DECIMAL(6,2) NOT NULL,
    forecast_low   DECIMAL(6,2) NOT NULL,
    forecast_high  DECIMAL(6,2) NOT NULL,
    model_role     VARCHAR(16),
    PRIMARY KEY (venue_id)
) DISTSTYLE ALL SORTKEY (venue_rank);
