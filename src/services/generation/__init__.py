"""The synthetic data: the demand model, raw tables, defects, parts.

May import services.arrays, services.encoding and domain.
"""
