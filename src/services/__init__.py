"""Computations: generation, own files, features, models, quality.

May import domain and sql; nothing here talks to a server.
"""
