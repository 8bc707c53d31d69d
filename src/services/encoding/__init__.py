"""Arrow columns become the bytes of JSON, CSV and Parquet files.

May import services.arrays.
"""
