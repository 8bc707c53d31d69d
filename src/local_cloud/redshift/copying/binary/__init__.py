"""COPY of files that are no text: Parquet and ORC by their columns, Avro as JSON.

May import sql and copying.
"""
