"""Features of the models: catalog, rows as arrays, notes on records, drift.

May import services.arrays.
"""
