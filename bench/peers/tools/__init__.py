"""One file for each tool. It is run as a process of its own:

    TOOL.py --dsn DSN --file FILE --table TABLE [--gateway URL] [--sqs URL] [--python FOLDER]

It loads the file into a new table, and prints as its last line a JSON object: `named`, the numbers of the
records that the tool says it did not load, and `said`, its own words for them. Its exit status is that of the
tool. None of them imports the suite, but the one that runs it.
"""
