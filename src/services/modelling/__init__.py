"""Training computations: splits, training, checks, saved files, cards and scenarios.

May import the prediction services, services.features and domain.
"""
