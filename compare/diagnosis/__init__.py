"""What stands in the way of a benchmark on this machine: findings with their remedies."""
