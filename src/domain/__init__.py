"""The tables, data sets and values, described once.

May import errors only.
"""
