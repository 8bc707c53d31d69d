"""Streaming ingestion: external schemas of Kinesis, streaming materialized views, their refresh.

May import `redshift/sql`, `redshift/statements`, `redshift` itself and `sql`.
"""
