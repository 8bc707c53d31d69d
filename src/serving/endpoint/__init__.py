"""The commands around a SageMaker endpoint: deploy, status, rollback, undeploy, batch.

May import the server's own modules, orchestration, infrastructure, settings and reporting.
"""
