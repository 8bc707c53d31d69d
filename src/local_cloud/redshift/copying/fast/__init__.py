"""COPY of files that PostgreSQL may read as they are.

May import sql and copying, never copying.staged.
"""
