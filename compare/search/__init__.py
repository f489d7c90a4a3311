"""The nearest items of a database of codes."""
