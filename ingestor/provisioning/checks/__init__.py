"""What is wrong with a configuration: database, queues, files, clocks."""
