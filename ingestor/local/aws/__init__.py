"""SQS and S3 of the suite on one machine."""
