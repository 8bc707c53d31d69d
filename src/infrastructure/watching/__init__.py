"""What watches the runs on AWS: metrics, alarms, lineage, and the template of operations.

May import infrastructure.aws, domain and settings.
"""
