"""The AWS account: permissions, inventory, buckets, the Glue job.

May import domain and settings.
"""
