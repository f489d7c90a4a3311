"""Everything both implementations agree on: data, split, order, weights, files and score. Imports no framework."""
