"""What a pipeline does to rows besides the schema: transforms before it, filters, and rules after it."""
