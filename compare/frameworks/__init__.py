"""The frameworks that are compared, and the workers that run them."""
