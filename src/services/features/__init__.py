"""Features of the models: catalog, encoder, rows as arrays, notes on records, drift.

May import services.arrays and domain.
"""
