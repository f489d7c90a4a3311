"""The report of a suite: what stands in it, and its figures."""
