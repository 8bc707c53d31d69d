"""One HTTP server that speaks AWS's protocols: Glue, the Redshift Data API, credentials, STS.

May import: glue and sql.
"""
