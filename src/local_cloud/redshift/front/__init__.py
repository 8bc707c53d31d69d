"""The wire protocol of PostgreSQL, as any client of Redshift uses it.

May import redshift and redshift.statements.
"""
