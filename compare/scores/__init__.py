"""Anybody's codes: the files people keep them in, and their scores."""
