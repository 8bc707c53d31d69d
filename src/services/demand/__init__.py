"""The censored demand model: linear start, earlier shows, trees, distribution.

Predicting needs numpy alone. May import services.arrays, services.features and domain.
"""
