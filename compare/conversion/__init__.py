"""Checkpoints from one form to another."""
