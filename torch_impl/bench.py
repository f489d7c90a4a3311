"""The parts of training and encoding one by one, to be timed side by side with the other framework's."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shared.checkpoint.checkpoint import Checkpoint
from shared.training.batches import Batch
from shared.training.job import Job
from shared.worker.bench import PRODUCT_SIDE
from torch_impl import convert
from torch_impl.batches import DeviceBatches
from torch_impl.encode import Encoder, make_encoder
from torch_impl.images import DeviceImages
from torch_impl.model import losses
from torch_impl.optimizer import make_optimizer
from torch_impl.runtime import autocast

Inputs = tuple[Tensor, tuple[Tensor, Tensor] | None, Tensor]


class Bench:
    """A network in training on a job's batches; ``wait`` returns when the device has finished all its work."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._images = DeviceImages(job.dataset, job.recipe.input_px, job.device)
        self._network = convert.from_neutral(job.recipe, job.initial_weights, job.device)
        self._optimizer = make_optimizer(job.recipe, self._network)
        self._steps = self._all_steps()
        self._factor = torch.rand(PRODUCT_SIDE, PRODUCT_SIDE, device=job.device)

    def wait(self) -> None:
        if self._job.device == "cuda":
            torch.cuda.synchronize()

    def product(self) -> None:
        with autocast(self._job.device):
            torch.matmul(self._factor, self._factor)

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
        self._optimizer.zero_grad()

    @torch.inference_mode()
    def encoder(self) -> Encoder:
        self._network.eval()
        encoder = make_encoder(self._network)
        self._network.train()
        return encoder

    @torch.inference_mode()
    def encode(self, encoder: Encoder, index: np.ndarray) -> np.ndarray:
        with autocast(self._job.device):
            hash_logits, _ = encoder(self._images.normalised(self._put(index)))
        return hash_logits.float().cpu().numpy()

    def profile(self, work: Callable[[], object], path: Path) -> None:
        with torch.profiler.profile() as profiler:
            work()
            self.wait()
        profiler.export_chrome_trace(str(path))

    def state(self) -> Checkpoint:
        return convert.checkpoint_of(self._job.recipe, self._network, self._optimizer, 1)

    def load(self, state: Checkpoint) -> None:
        convert.restore_checkpoint(self._job.recipe, self._network, self._optimizer, state)

    def _all_steps(self) -> Iterator[tuple[DeviceBatches, Batch, Tensor, Tensor]]:
        for epoch in map(self._job.epoch, count(1)):
            batches = DeviceBatches(epoch, self._job.device)
            for batch, inputs in zip(epoch.batches, self._images.inputs(*epoch.images), strict=True):
                yield batches, batch, *inputs

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._job.device)
