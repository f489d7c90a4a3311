"""How fast training, encoding and the evaluator are, measured side by side."""
