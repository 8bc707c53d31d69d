"""Redshift over PostgreSQL: a connection with Redshift's SQL.

May import sql; nothing outside of it but sql.
"""
