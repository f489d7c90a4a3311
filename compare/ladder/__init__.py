"""The alignment ladder, rung by rung."""
