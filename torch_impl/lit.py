"""Training with PyTorch Lightning: module, data module, and ``fit``."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from shared.checkpoint.checkpoint import Checkpoint
from shared.system.files import remove
from shared.training.batches import Batch
from shared.training.job import Encoded, Job, scalars_of
from torch_impl import convert
from torch_impl.batches import DeviceBatches
from torch_impl.checkpoint_writer import save_torch, write_lightning
from torch_impl.encode import encode_images
from torch_impl.images import DeviceImages
from torch_impl.loggers import make_logger
from torch_impl.model import losses
from torch_impl.optimizer import learning_rate_of, make_optimizer, set_learning_rate
from torch_impl.runtime import autocast

# a step, its pixels, its labels and its dropout masks
Inputs = tuple[Batch, Tensor, Tensor, tuple[Tensor, Tensor] | None]

# this project has its own display; Lightning sets its log level to INFO when it is imported
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class LitGreedyHash(lightning.LightningModule):
    """One training run of the network; reports each epoch to the job."""

    def __init__(self, job: Job, images: DeviceImages) -> None:
        super().__init__()
        self.job, self.images = job, images
        self.network = convert.from_neutral(job.recipe, job.initial_weights, job.device)
        self.encoded: Encoded | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return make_optimizer(self.job.recipe, self.network)

    def on_train_epoch_start(self) -> None:
        self._epoch = self.current_epoch + 1
        torch.manual_seed(self.job.native_seed(self._epoch))
        set_learning_rate(self.optimizers(), self.job.recipe.learning_rate_at(self._epoch))
        self._sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        self._started = time.monotonic()

    def training_step(self, inputs: Inputs) -> Tensor:
        step, pixels, labels, masks = inputs
        with autocast(self.job.device):
            terms = losses(self.network(pixels, masks), labels, self.job.recipe)
        self._sums += torch.stack([term.detach() for term in terms]).double() * step.count
        self.job.report_step(step.step, self._epoch, terms.loss.detach())
        return terms.loss * step.weight

    def on_train_epoch_end(self) -> None:
        means = self.job.mean_losses(self._epoch, self._sums.tolist())
        seconds = time.monotonic() - self._started
        evaluates = self.job.recipe.evaluates(self._epoch)
        self.encoded = self.job.encode(self.encode_images) if evaluates else None
        learning_rate = learning_rate_of(self.optimizers())
        record = self.job.finish_epoch(self._epoch, learning_rate, means, seconds, self.encoded, self.state)
        # by the epoch as everywhere else: Lightning would count steps, and epochs from 0
        self.log_dict({**scalars_of(record), "epoch": float(self._epoch), "step": float(self._epoch)})

    def state(self) -> Checkpoint:
        """Weights and momentum as they are now."""
        return convert.checkpoint_of(self.job.recipe, self.network, self.optimizers(), self._epoch)

    def encode_images(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hash logits and predicted classes of the images at ``index``."""
        return encode_images(self.network, self.images, index, self.job.progress)


class EpochBatches(IterableDataset):
    """The batches of one epoch; it must not be shuffled again."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


class CifarDataModule(lightning.LightningDataModule):
    """This rank's batches in the shared order, of which all arrays are made on the device."""

    def __init__(self, job: Job, images: DeviceImages) -> None:
        super().__init__()
        self._job, self._images = job, images

    def train_dataloader(self) -> DataLoader:
        epoch = self._job.epoch(self.trainer.current_epoch + 1)
        self._batches = DeviceBatches(epoch, self._job.device)
        self._inputs = self._images.inputs(*epoch.images)
        return DataLoader(EpochBatches(epoch.batches), batch_size=None)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Inputs:
        return batch, *next(self._inputs), self._batches.masks(batch)


class JobProgressBar(ProgressBar):
    """Takes the place of Lightning's bar: the job shows progress, the same way for both frameworks."""

    def disable(self) -> None:
        """Nothing to silence: the job's display decides."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes as this project writes all its files; Lightning's own goes through the system's temporary folder."""

    def save_checkpoint(self, checkpoint: dict, path: str | Path, storage_options: object | None = None) -> None:
        save_torch(checkpoint, Path(path))


def fit(job: Job) -> None:
    """Train to the last epoch, from the last finished one if there is any, and finish the run."""
    images = DeviceImages(job.dataset, job.recipe.input_px, job.device)
    module = LitGreedyHash(job, images)
    state = job.run.resume_folder / "last.ckpt"
    start = job.state_or_start(state)
    if start and job.ranks.is_first and not state.exists():
        write_lightning(state, start, job.recipe)
    job.ranks.gather("the state is written")
    done = start.epoch if start else 0
    job.resume_after(done)
    if done < job.recipe.epochs:
        optimizer = train(job, done, module, state)
    else:
        optimizer = module.configure_optimizers()
        convert.restore_checkpoint(job.recipe, module.network, optimizer, start)
    final = convert.checkpoint_of(job.recipe, module.network, optimizer, job.recipe.epochs)
    job.finish(module.encoded or job.encode(module.encode_images), final)


def train(job: Job, done: int, module: LitGreedyHash, state: Path) -> torch.optim.Optimizer:
    """Train after ``done`` epochs, whose ``state`` Lightning reads, to the last; the optimiser as it is then."""
    trainer, data = make_trainer(job, done), CifarDataModule(job, module.images)
    try:
        trainer.fit(module, data, ckpt_path=state if done else None, weights_only=True)
    except SystemExit as error:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from error
    return trainer.optimizers[0]


def make_trainer(job: Job, done: int) -> lightning.Trainer:
    """A trainer that goes on after ``done`` epochs, together with the job's other ranks."""
    metrics = f"after-epoch-{done}"
    if job.ranks.is_first:
        remove(job.run.lightning_folder / metrics)  # of a process that was killed in the epoch after
    csv = CSVLogger(job.run.lightning_folder, name="", version=metrics)
    state = ModelCheckpoint(job.run.resume_folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    return lightning.Trainer(
        accelerator="gpu" if job.device == "cuda" else "cpu",
        strategy="auto" if job.ranks.size == 1 else "ddp",
        devices=job.environment["devices"],
        num_nodes=job.environment["nodes"],
        max_epochs=job.recipe.epochs,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        logger=[logger for logger in (csv, make_logger(job, done)) if logger],
        callbacks=[state, JobProgressBar()],
        plugins=[AtomicCheckpointIO(), LightningEnvironment()],
        enable_model_summary=False,
        log_every_n_steps=job.steps_per_epoch,
    )
