"""COPY with all of Redshift's rules, through a staging table.

May import sql and copying, never copying.fast.
"""
