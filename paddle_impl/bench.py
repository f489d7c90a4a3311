"""The parts of training and encoding one by one, to be timed side by side with the other framework's."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from paddle_impl import convert
from paddle_impl.batches import DeviceBatches
from paddle_impl.encode import Encoder, make_encoder
from paddle_impl.images import DeviceImages
from paddle_impl.model import losses
from paddle_impl.optimizer import make_optimizer
from paddle_impl.runtime import autocast, paddle
from shared.checkpoint.checkpoint import Checkpoint
from shared.training.batches import Batch
from shared.training.job import Job
from shared.worker.bench import PRODUCT_SIDE

Tensor = paddle.Tensor
Inputs = tuple[Tensor, tuple[Tensor, Tensor] | None, Tensor]


class Bench:
    """A network in training on a job's batches; ``wait`` returns when the device has finished all its work."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._images = DeviceImages(job.dataset, job.recipe.input_px, job.device)
        self._network = convert.from_neutral(job.recipe, job.initial_weights, job.device)
        self._optimizer = make_optimizer(job.recipe, self._network)
        self._steps = self._all_steps()
        self._factor = paddle.rand([PRODUCT_SIDE, PRODUCT_SIDE])

    def wait(self) -> None:
        if self._job.device == "cuda":
            paddle.device.cuda.synchronize()

    def product(self) -> None:
        with autocast(self._job.device):
            paddle.matmul(self._factor, self._factor)

    def upsample(self) -> None:
        next(self._steps)

    def input(self) -> Inputs:
        batches, batch, pixels, labels = next(self._steps)
        return pixels, batches.masks(batch), labels

    def forward(self, inputs: Inputs) -> Tensor:
        pixels, masks, labels = inputs
        with autocast(self._job.device):
            return losses(self._network(pixels, masks), labels, self._job.recipe).loss

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def update(self) -> None:
        self._optimizer.step()
        self._optimizer.clear_grad()

    @paddle.no_grad()
    def encoder(self) -> Encoder:
        self._network.eval()
        encoder = make_encoder(self._network)
        self._network.train()
        return encoder

    @paddle.no_grad()
    def encode(self, encoder: Encoder, index: np.ndarray) -> np.ndarray:
        with autocast(self._job.device):
            hash_logits, _ = encoder(self._images.normalised(paddle.to_tensor(index)))
        return hash_logits.astype("float32").numpy()

    def profile(self, work: Callable[[], object], path: Path) -> None:
        profiler = paddle.profiler.Profiler(on_trace_ready=lambda done: done.export(str(path), format="json"))
        with profiler:
            work()
            self.wait()

    def state(self) -> Checkpoint:
        return convert.checkpoint_of(self._job.recipe, self._network, self._optimizer, 1)

    def load(self, state: Checkpoint) -> None:
        convert.restore_checkpoint(self._job.recipe, self._network, self._optimizer, state)

    def _all_steps(self) -> Iterator[tuple[DeviceBatches, Batch, Tensor, Tensor]]:
        for epoch in map(self._job.epoch, count(1)):
            batches = DeviceBatches(epoch, self._job.device)
            for batch, inputs in zip(epoch.batches, self._images.inputs(*epoch.images), strict=True):
                yield batches, batch, *inputs
