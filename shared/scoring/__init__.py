"""From codes to mean average precision and the other scores."""
