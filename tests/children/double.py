"""double FRAMEWORK RUN INITIAL DEVICES OUT: a run's training in float64, by one process or several.

OUT holds its weights, and under "ranks" how many processes there were.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from shared.system.progress import Progress
from shared.training.job import Job
from shared.training.launch import adopt_channel, make_layout, module_arguments, run_ranks
from shared.training.open_job import open_job
from shared.training.ranks import ALONE, Ranks


def train_torch(job: Job) -> dict[str, np.ndarray]:
    from torch_impl import convert, lit
    from torch_impl.images import DeviceImages

    class DoubleImages(DeviceImages):
        def normalised(self, index):
            return super().normalised(index).double()

    class Training(lit.LitGreedyHash):
        def encode_images(self, index):  # the encoders are float32's
            return np.zeros((len(index), job.recipe.bits), np.float32), np.zeros(len(index), np.int64)

    images = DoubleImages(job.dataset, job.recipe.input_px, "cpu")
    module = Training(job, images).double()
    lit.make_trainer(job, 0).fit(module, lit.CifarDataModule(job, images))
    return convert.to_neutral(job.recipe, module.network)


def train_paddle(job: Job) -> dict[str, np.ndarray]:
    from paddle_impl import convert, train
    from paddle_impl.images import DeviceImages
    from paddle_impl.optimizer import make_optimizer, set_learning_rate
    from paddle_impl.runtime import paddle

    class DoubleImages(DeviceImages):
        def normalised(self, index):
            return super().normalised(index).astype("float64")

    paddle.set_default_dtype("float64")
    images = DoubleImages(job.dataset, job.recipe.input_px, "cpu")
    start = {name: array.astype(np.float64) for name, array in job.initial_weights.items()}
    network = convert.from_neutral(job.recipe, start, "cpu")
    optimizer = make_optimizer(job.recipe, network)
    replica = train.replicate(job, network)
    for epoch in range(1, job.recipe.epochs + 1):
        set_learning_rate(optimizer, job.recipe.learning_rate_at(epoch))
        train.train_epoch(job, epoch, replica, optimizer, images)
    return convert.to_neutral(job.recipe, network)


def train(ranks: Ranks) -> None:
    environment = {"devices": ranks.size, "nodes": 1}
    job = open_job(Path(folder), "digits", Path(initial), None, "cpu", environment, Progress(), ranks)
    arrays = {"torch": train_torch, "paddle": train_paddle}[framework](job)
    if ranks.is_first:
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
        np.savez(out, ranks=ranks.size, **arrays)


framework, folder, initial, devices, out, *as_rank = sys.argv[1:]
if framework == "torch":
    from torch_impl import parallel, runtime
else:
    from paddle_impl import parallel, runtime

runtime.configure()
if as_rank:
    adopt_channel()
    train(parallel.join("cpu"))
elif devices == "1":
    train(ALONE)
else:
    layout = make_layout(int(devices), 1)
    command = module_arguments("tests.children.double", [*sys.argv[1:], "--as-rank"])
    with TemporaryDirectory() as scratch:
        run_ranks(parallel.commands(command, layout, "cpu", Path(scratch)), layout.devices, Progress())
