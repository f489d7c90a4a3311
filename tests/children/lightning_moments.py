"""lightning_moments NEUTRAL OUT: what Lightning writes at every moment of a training of two epochs of three batches."""

import logging
import sys
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from shared.checkpoint.checkpoint import read_checkpoint

source, out = read_checkpoint(Path(sys.argv[1])), Path(sys.argv[2])
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = torch.nn.Module()
        for name, array in source.weights.items():
            layer, what = name.split(".")
            if not hasattr(self.network, layer):
                self.network.add_module(layer, torch.nn.Module())
            getattr(self.network, layer).register_parameter(what, torch.nn.Parameter(torch.from_numpy(array)))

    def training_step(self, batch, index):
        return sum(parameter.square().mean() for parameter in self.parameters())

    def validation_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.named_parameters(), 1e-3, momentum=0.9)


class Moments(lightning.Callback):
    def save(self, trainer, moment):
        trainer.save_checkpoint(out / f"{moment}-{trainer.current_epoch}.ckpt")

    def on_train_start(self, trainer, *_):
        self.save(trainer, "begin")

    def on_train_epoch_start(self, trainer, *_):
        self.save(trainer, "epoch_begins")

    def on_train_batch_start(self, trainer, _module, _batch, index):
        self.save(trainer, f"before_batch{index}")

    def on_train_batch_end(self, trainer, _module, _outputs, _batch, index):
        self.save(trainer, f"after_batch{index}")

    def on_validation_end(self, trainer, *_):
        self.save(trainer, "validated")

    def on_train_epoch_end(self, trainer, *_):
        self.save(trainer, "epoch_ends")

    def on_train_end(self, trainer, *_):
        self.save(trainer, "end")


def fit(callbacks, **options):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(accelerator="cpu", num_sanity_val_steps=0, callbacks=callbacks, **quiet, **options)
    trainer.fit(Module(), DataLoader(range(6), batch_size=2), DataLoader(range(2)))
    return trainer


fit([Moments()], max_epochs=2)
fit([], max_epochs=2, max_steps=4).save_checkpoint(out / "stopped.ckpt")
