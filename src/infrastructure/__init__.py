"""Clients of S3, Glue and Redshift; connections come in as arguments.

May import domain, settings and sql, and its own folders.
"""
