"""GreedyHash in PyTorch Lightning. Never imports the other framework."""
