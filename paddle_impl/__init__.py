"""GreedyHash in PaddlePaddle. Never imports the other framework."""
