"""The local stream: Kinesis Data Streams over one SQLite file.

May import: endpoint (its errors).
"""
