"""A training run as both frameworks do it: its job, folder, ranks, resuming and result."""
