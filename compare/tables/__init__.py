"""The comparison table: its cells, its notes, and the published numbers beside them."""
