"""Models as files and their cards.

May import the prediction services and services.features.
"""
