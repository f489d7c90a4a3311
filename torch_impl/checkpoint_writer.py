"""``python -m torch_impl.checkpoint_writer SOURCE TARGET NAMES ...``: neutral checkpoints as PyTorch's own files.

A TARGET ending in .ckpt becomes a checkpoint that Lightning goes on from, any other a state dict under NAMES.
"""

import dataclasses
import math
import sys
from collections import OrderedDict
from pathlib import Path

import lightning
import numpy as np
import torch

from shared.checkpoint.checkpoint import Checkpoint, read_checkpoint
from shared.checkpoint.names import LIGHTNING_PREFIX, OURS, parameter_names
from shared.config.optimizers import ADAMW, SGD
from shared.config.recipe import PRESETS, Recipe, recipe_from_text
from shared.system.errors import exit_status
from shared.system.files import atomic_path
from torch_impl.optimizer import make_optimizer, set_learning_rate
from torch_impl.runtime import configure


def main(arguments: list[str]) -> None:
    """Write every TARGET; UserError for a SOURCE that is no checkpoint."""
    configure()
    for source, target, names in zip(arguments[::3], arguments[1::3], arguments[2::3], strict=True):
        checkpoint = read_checkpoint(Path(source), need_classifier=False)
        if target.lower().endswith(".ckpt"):
            write_lightning(Path(target), checkpoint, _recipe_of(checkpoint))
        else:
            save_torch(_tensors(checkpoint.weights, parameter_names(names)), Path(target))


def write_lightning(path: Path, checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Write ``checkpoint`` as one from which ``Trainer.fit(ckpt_path=path)`` goes on by ``recipe``.

    Without an epoch it counts as untrained.
    """
    epoch = checkpoint.epoch or 0
    steps_per_epoch = math.ceil(recipe.num_train / recipe.batch_size)
    names = {ours: LIGHTNING_PREFIX + name for ours, name in parameter_names(OURS).items()}
    content = {
        # Lightning counts from 0 and writes while the last finished epoch is still the current one
        "epoch": max(epoch - 1, 0),
        "global_step": epoch * steps_per_epoch,
        "pytorch-lightning_version": lightning.__version__,
        "state_dict": _tensors(checkpoint.weights, names),
        "loops": {"fit_loop": _fit_loop(epoch, steps_per_epoch)},
        "callbacks": {},
        "optimizer_states": [_optimizer_state(checkpoint, recipe)],
        "lr_schedulers": [],
        "greedyhash": {name: value for name, value in checkpoint.metadata().items() if isinstance(value, str)},
    }
    save_torch(content, path)


def _recipe_of(checkpoint: Checkpoint) -> Recipe:
    # it gives the optimiser's coefficients and the step count; the published ones where the run's are not known
    if checkpoint.recipe is None:
        optimizer = SGD if checkpoint.second_moment is None else ADAMW
        return dataclasses.replace(PRESETS["paper"], optimizer=optimizer)
    return recipe_from_text(checkpoint.recipe, where="the checkpoint's recipe")


def _tensors(arrays: dict[str, np.ndarray], names: dict[str, str]) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((names[ours], torch.from_numpy(arrays[ours])) for ours in names if ours in arrays)


def _fit_loop(epoch: int, steps_per_epoch: int) -> dict:
    """Lightning's own record of a loop that has finished ``epoch`` epochs."""
    loop = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu").fit_loop
    steps = epoch * steps_per_epoch
    optimizer = loop.epoch_loop.automatic_optimization.optim_progress.optimizer
    for progress, total in (
        (loop.epoch_progress, epoch),
        (loop.epoch_loop.batch_progress, steps),
        (optimizer.step, steps),
        (optimizer.zero_grad, steps),
    ):
        count = steps_per_epoch if epoch and progress is not loop.epoch_progress else total
        for part, value in ((progress.total, total), (progress.current, count)):
            for name in vars(part):
                setattr(part, name, value)
    for part in (loop.epoch_progress.total, loop.epoch_progress.current):
        part.completed = max(epoch - 1, 0)
    loop.epoch_loop.batch_progress.is_last_batch = epoch > 0
    loop.epoch_loop._batches_that_stepped = steps
    return loop.state_dict()


def _optimizer_state(checkpoint: Checkpoint, recipe: Recipe) -> dict:
    order = [name for name in parameter_names(OURS) if name in checkpoint.weights]
    stand_in = torch.nn.ParameterList(torch.from_numpy(checkpoint.weights[name]) for name in order)
    optimizer = make_optimizer(recipe, stand_in)
    if checkpoint.learning_rate is not None:
        set_learning_rate(optimizer, checkpoint.learning_rate)
    state = optimizer.state_dict()
    state["param_groups"][0]["param_names"] = order
    state["state"] = {n: _buffers(checkpoint, name) for n, name in enumerate(order)} if checkpoint.momentum else {}
    return state


def _buffers(checkpoint: Checkpoint, name: str) -> dict[str, torch.Tensor]:
    """What the optimiser remembers of one parameter, under PyTorch's names."""
    first = torch.from_numpy(checkpoint.momentum[name])
    if checkpoint.second_moment is None:
        return {"momentum_buffer": first}
    second = torch.from_numpy(checkpoint.second_moment[name])
    return {"step": torch.tensor(float(checkpoint.steps)), "exp_avg": first, "exp_avg_sq": second}


def save_torch(content: dict, path: Path) -> None:
    """Write ``content`` atomically as ``torch.save`` does; UserError when it cannot be written."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # a full disk: PyTorch's own message is about its container
                raise error.__context__ from None
            raise


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
