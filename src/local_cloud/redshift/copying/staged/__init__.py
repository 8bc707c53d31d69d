"""COPY with all of Redshift's rules, through a staging table.

May import copying, never copying.fast.
"""
