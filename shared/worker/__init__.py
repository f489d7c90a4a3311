"""The workers' command line, and the interface that both implementations offer."""
