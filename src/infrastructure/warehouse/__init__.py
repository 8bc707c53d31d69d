"""The warehouse: connections, loads, their checks and errors.

May import infrastructure.aws, infrastructure.storage, redshift_client,
domain and sql.
"""
