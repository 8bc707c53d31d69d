"""One HTTP server for the services beside S3: Glue, Kinesis, Redshift's Data API, credentials, STS.

May import: glue, kinesis and sql.
"""
