"""Finds the table in delimited text: the dialect, the header, and what stands above and below the table.

Pure functions on text; they read a bounded part of a file (see `text.py`) and never raise for its content.
"""
