"""Training with PaddlePaddle: one explicit loop, ``fit``."""

import time
from functools import partial
from pathlib import Path

import numpy as np

from paddle_impl import convert
from paddle_impl.batches import DeviceBatches
from paddle_impl.encode import encode_images
from paddle_impl.images import DeviceImages
from paddle_impl.loggers import make_logger
from paddle_impl.model import GreedyHash, losses
from paddle_impl.optimizer import learning_rate_of, make_optimizer, set_learning_rate
from paddle_impl.runtime import autocast, paddle
from shared.checkpoint import checkpoint
from shared.checkpoint.checkpoint import Checkpoint
from shared.training.job import Job

Layer, Optimizer = paddle.nn.Layer, paddle.optimizer.Optimizer


def fit(job: Job) -> None:
    """Train to the last epoch, from the last finished one if there is any, and finish the run."""
    recipe = job.recipe
    images = DeviceImages(job.dataset, recipe.input_px, job.device)
    network = convert.from_neutral(recipe, job.initial_weights, job.device)
    optimizer = make_optimizer(recipe, network)

    def encode(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return encode_images(network, images, index, job.progress)

    def state(epoch: int) -> Checkpoint:
        return convert.checkpoint_of(recipe, network, optimizer, epoch)

    replica = replicate(job, network)
    done = restore(job, network, optimizer)
    job.resume_after(done)
    encoded, logger = None, make_logger(job)
    for epoch in range(done + 1, recipe.epochs + 1):
        started = time.monotonic()
        set_learning_rate(optimizer, recipe.learning_rate_at(epoch))
        means = train_epoch(job, epoch, replica, optimizer, images)
        seconds = time.monotonic() - started
        encoded = job.encode(encode) if recipe.evaluates(epoch) else None
        record = job.finish_epoch(epoch, learning_rate_of(optimizer), means, seconds, encoded, partial(state, epoch))
        if logger:
            logger.write(record)
        if job.ranks.is_first:
            save_resume_state(job, state(epoch))
    if logger:
        logger.close()
    job.finish(encoded or job.encode(encode), state(recipe.epochs))


def replicate(job: Job, network: GreedyHash) -> Layer:
    """The network as its copies on all ranks are trained: with the mean of their gradients."""
    return network if job.ranks.size == 1 else paddle.DataParallel(network)


def train_epoch(job: Job, epoch: int, network: Layer, optimizer: Optimizer, images: DeviceImages) -> list[float]:
    """One pass over the training images; mean loss, cross-entropy and penalty."""
    paddle.seed(job.native_seed(epoch))
    network.train()
    sums = paddle.zeros([3], "float64")
    whole = job.epoch(epoch)
    batches = DeviceBatches(whole, job.device)
    for batch, (pixels, labels) in zip(whole.batches, images.inputs(*whole.images), strict=True):
        with autocast(job.device):
            output = network(pixels, batches.masks(batch))
            terms = losses(output, labels, job.recipe)
        (terms.loss * batch.weight).backward()
        optimizer.step()
        optimizer.clear_grad()
        sums += paddle.stack([term.detach() for term in terms]).astype("float64") * batch.count
        job.report_step(batch.step, epoch, terms.loss)
    return job.mean_losses(epoch, sums.tolist())


def save_resume_state(job: Job, state: Checkpoint) -> None:
    """Write the state to go on from after an epoch: neutral weights, and momentum beside them."""
    checkpoint.save(_state(job), state)


def restore(job: Job, network: GreedyHash, optimizer: Optimizer) -> int:
    """Load what ``save_resume_state`` wrote, else the job's start, if any; the number of epochs it had finished."""
    start = job.state_or_start(_state(job))
    if start is None:
        return 0
    convert.restore_checkpoint(job.recipe, network, optimizer, start)
    return start.epoch


def _state(job: Job) -> Path:
    return job.run.resume_folder / "last.safetensors"
