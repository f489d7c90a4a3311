"""Whether a difference is real: the statistics of runs over seeds."""
