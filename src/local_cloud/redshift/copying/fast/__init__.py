"""COPY of files that PostgreSQL may read as they are.

May import copying, never copying.staged.
"""
