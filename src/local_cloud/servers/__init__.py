"""The processes of the local cloud: S3, PostgreSQL and the front, with their locks.

May import local_cloud.redshift.
"""
