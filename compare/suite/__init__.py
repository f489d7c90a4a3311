"""The runs of a suite: one after the other, or on the nodes of a cluster."""
