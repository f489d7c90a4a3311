"""The page that compare/serve.py serves."""
