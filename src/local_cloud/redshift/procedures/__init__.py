"""Stored procedures: PL/pgSQL read here and run statement by statement, each as a client's own.

May import sql. What runs a statement is the cursor that is handed in.
"""
