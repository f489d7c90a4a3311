"""The network as a table: its parameters, their initial values, and what it costs."""
