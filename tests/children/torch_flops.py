"""torch_flops SIZES: what PyTorch counts for one image, forward and in both directions, as JSON.

SIZES are fields of the recipe, in JSON."""

import json
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from shared.config.recipe import Recipe
from torch_impl.model import GreedyHash, losses

recipe = Recipe(preset="demo", bits=48, **json.loads(sys.argv[1]))
network = GreedyHash(recipe)
with FlopCounterMode(display=False) as forward:
    output = network(torch.zeros(1, 3, recipe.input_px, recipe.input_px))
with FlopCounterMode(display=False) as backward:
    losses(output, torch.zeros(1, dtype=torch.int64), recipe).loss.backward()
counted = [counter.get_total_flops() for counter in (forward, backward)]
print(json.dumps({"forward": counted[0], "both": sum(counted)}))
