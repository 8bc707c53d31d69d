"""One HTTP server that answers as AWS does, by botocore's own models, for the local services."""
