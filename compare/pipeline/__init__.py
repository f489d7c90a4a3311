"""The whole of a benchmark: ladder, training, table and report."""
