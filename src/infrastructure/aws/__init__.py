"""The AWS account: permissions, inventory, buckets, the Glue job.

May import settings.
"""
