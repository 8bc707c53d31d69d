"""Objects in S3: data sets and the model registry.

May import infrastructure.aws and domain.
"""
