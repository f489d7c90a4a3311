"""Checkpoints of any framework to framework-neutral weights and momentum."""
