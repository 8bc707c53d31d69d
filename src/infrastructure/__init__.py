"""What talks to S3, Glue and Redshift; clients come in as arguments."""
