"""Redshift over PostgreSQL: a connection that speaks its dialect.

May import sql; nothing outside of it but sql.
"""
