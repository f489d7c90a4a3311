"""plain_loop RECIPE INITIAL OUT: train as torch_impl does, but in a loop without Lightning, and write the weights."""

import sys
from pathlib import Path

from shared.checkpoint import weights
from shared.config.recipe import read_recipe
from shared.data import cifar
from shared.system.progress import Progress
from shared.training.job import Job
from shared.training.runs import Run
from tests.helpers import batch_arrays
from torch_impl import convert
from torch_impl.images import DeviceImages
from torch_impl.model import losses
from torch_impl.optimizer import make_optimizer, set_learning_rate
from torch_impl.runtime import configure, torch

recipe_file, initial, target = map(Path, sys.argv[1:])
configure()
recipe = read_recipe(recipe_file)
dataset = cifar.load("digits")
start, _ = weights.load_exactly(initial, recipe)
split = cifar.split(dataset.labels, recipe.protocol, recipe.seed)
job = Job(Run(target.parent), recipe, dataset, split, start, "cpu", {}, Progress())

images = DeviceImages(dataset, recipe.input_px, "cpu")
network = convert.from_neutral(recipe, start, "cpu")
optimizer = make_optimizer(recipe, network)
for epoch in range(1, recipe.epochs + 1):
    set_learning_rate(optimizer, recipe.learning_rate_at(epoch))
    whole = job.epoch(epoch)
    for batch in whole.batches:
        index, masks = batch_arrays(whole, batch)
        index = torch.from_numpy(index)
        output = network(images.normalised(index), tuple(map(torch.from_numpy, masks)))
        optimizer.zero_grad()
        losses(output, images.labels[index], recipe).loss.backward()
        optimizer.step()
weights.save(target, convert.to_neutral(recipe, network), {})
