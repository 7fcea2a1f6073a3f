"""Reads sheets of Office Open XML workbooks (ECMA-376, .xlsx) as a stream.

Existing libraries read a whole sheet into memory, turn numbers into floats, and errors into text or nothing.
"""
