"""gradients FRAMEWORK RECIPE IN OUT: outputs, losses and gradients of one training batch, in neutral form."""

import sys
from pathlib import Path

import numpy as np

from shared.recipe import parameters, read_recipe
from tests.children.frameworks import load

framework, recipe_file, source, target = sys.argv[1:]
side, recipe = load(framework), read_recipe(Path(recipe_file))
with np.load(source) as file:
    arrays = dict(file)
masks = [side.tensor(arrays.pop(name)) for name in ("mask6", "mask7")]
pixels, labels = side.tensor(arrays.pop("pixels")), side.tensor(arrays.pop("labels"))
network = side.convert.from_neutral(recipe, arrays, "cpu")
network.train()
output = network(pixels, masks)
side.retain(output.feature)
terms = side.model.losses(output, labels, recipe.penalty_weight)
terms.loss.backward()
kinds = {p.name: p.kind for p in parameters(recipe)}
gradients = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
if framework == "paddle":
    gradients = {name: array.T if kinds[name] == "linear" else array for name, array in gradients.items()}
np.savez(
    target,
    **{name: getattr(output, name).detach().numpy() for name in output._fields},
    **{name: getattr(terms, name).detach().numpy() for name in terms._fields},
    **{f"gradient.{name}": array for name, array in gradients.items()},
    feature_gradient=output.feature.grad.numpy(),
    **{f"neutral.{name}": array for name, array in side.convert.to_neutral(recipe, network).items()},
)
