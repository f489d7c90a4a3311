"""The report of a suite: its content and its figures."""
