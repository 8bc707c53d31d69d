"""The embedded AWS: S3, Redshift and Glue on 127.0.0.1.

May import its own folders, sql, settings and reporting.terminal.
"""
