-- The streams of Kinesis, as relations of a schema.
CREATE EXTERNAL SCHEMA IF NOT EXISTS concert_stream FROM KINESIS IAM_ROLE :role;
