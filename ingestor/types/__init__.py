"""The types of fields. Each has a module: the rule for one value and the same rule for a whole column.

A new type is a module with a subclass of `type.FieldType`, and a line in registry.py.
"""
