"""Removes what the demo made in an AWS account: `python -m src.aws_cleanup`."""
