"""One HTTP server that speaks AWS's protocols: Glue, Kinesis, Redshift's Data API, credentials, STS.

May import: glue, kinesis and sql.
"""
