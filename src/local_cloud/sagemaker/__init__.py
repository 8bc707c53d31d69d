"""SageMaker's endpoints and transform jobs over child processes that run the container's program.

May import the servers' processes and the AWS endpoint's errors.
"""
