"""SQS and S3."""
