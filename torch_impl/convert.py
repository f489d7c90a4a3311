"""Between this framework's parameters and the neutral arrays; PyTorch's orientation is the neutral one."""

import numpy as np
import torch

from shared.recipe import Recipe, parameters
from torch_impl.model import GreedyHash


def from_neutral(recipe: Recipe, arrays: dict[str, np.ndarray], device: str) -> GreedyHash:
    """A network on ``device`` with the neutral ``arrays`` as its parameters."""
    network = GreedyHash(recipe)
    load_neutral(recipe, network, arrays)
    return network.to(device)


def load_neutral(recipe: Recipe, network: GreedyHash, arrays: dict[str, np.ndarray]) -> None:
    """Set the network's parameters to the neutral ``arrays``."""
    network.load_state_dict({p.name: torch.from_numpy(arrays[p.name]) for p in parameters(recipe)}, strict=True)


def to_neutral(recipe: Recipe, network: GreedyHash) -> dict[str, np.ndarray]:
    """Copies of the network's parameters as neutral float32 arrays."""
    state = network.state_dict()
    return {p.name: state[p.name].cpu().numpy().copy() for p in parameters(recipe)}
