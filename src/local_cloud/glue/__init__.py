"""A local Glue: a client shaped like boto3, its job process, DuckDB and Spark.

May import local_cloud.servers.
"""
