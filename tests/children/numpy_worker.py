"""numpy_worker VERB: a third framework for tests, a hash layer and a classifier on an image's pixels, in NumPy.

A worker as the project's others are, by ``shared.worker``, which takes a second where they take several.
"""

import sys
import time

import numpy as np

from shared.checkpoint.checkpoint import Checkpoint
from shared.codes.encoding import encode_in_batches
from shared.system.errors import UserError
from shared.system.machine import describe_machine, num_threads
from shared.worker.cli import run_worker
from shared.worker.contract import Implementation


def gpu_problem():
    return "NumPy computes on the CPU"


def has_gpu():
    return False


def cards():
    return []


def code():
    return []


def cudnn():
    return None


def count_gpus():
    return 0


def resolve_device(name):
    if name == "cuda":
        raise UserError("--device cuda: expected an NVIDIA GPU that NumPy can use, found none; use --device cpu")
    return "cpu"


def environment(device):
    machine = describe_machine(())
    process = {
        "framework": "numpy",
        "device": device,
        "device_name": machine["cpu"],
        "framework_threads": num_threads(),
    }
    return process | {"precision": {"precision": "fp32", "deterministic": True}} | machine


class Network:
    """The last two layers of the published network, on as many pixels as they have inputs for."""

    def __init__(self, arrays):
        self.arrays = {name: array.copy() for name, array in arrays.items()}

    def eval(self):
        pass

    def outputs(self, inputs):
        hash_logits = inputs @ self.arrays["hash.weight"][:, : inputs.shape[1]].T + self.arrays["hash.bias"]
        return hash_logits, np.sign(hash_logits) @ self.arrays["classifier.weight"].T

    def step(self, inputs, labels, recipe, learning_rate):
        """One step of SGD, straight through the sign; loss, cross-entropy and penalty."""
        hash_logits, logits = self.outputs(inputs)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        slope = exponents / exponents.sum(axis=1, keepdims=True)
        cross_entropy = -np.log(slope[np.arange(len(labels)), labels]).mean()
        slope[np.arange(len(labels)), labels] -= 1
        slope /= len(labels)
        excess = np.abs(hash_logits) - 1
        penalty = (np.abs(excess) ** 3).mean()
        at_hash_logits = slope @ self.arrays["classifier.weight"]
        at_hash_logits += recipe.penalty_weight * 3 * excess * np.abs(excess) * np.sign(hash_logits) / hash_logits.size
        self.arrays["classifier.weight"] -= learning_rate * slope.T @ np.sign(hash_logits)
        self.arrays["hash.weight"][:, : inputs.shape[1]] -= learning_rate * at_hash_logits.T @ inputs
        self.arrays["hash.bias"] -= learning_rate * at_hash_logits.sum(axis=0)
        return cross_entropy + recipe.penalty_weight * penalty, cross_entropy, penalty


def from_neutral(recipe, arrays, device):
    return Network(arrays)


def device_images(dataset, input_px, device):
    """float32 (N, pixels): grey values around 0."""
    return (dataset.pixels.mean(axis=3).reshape(len(dataset.pixels), -1) / 127.5 - 1).astype(np.float32)


def make_encoder(network):
    return network.outputs


def encode_with(encoder, images, index, progress):
    def encode_parts(index, parts):
        return (encoder(images[index[part]]) for part in parts)

    return encode_in_batches(encode_parts, index, progress, lambda _: False)


def fit(job):
    recipe, labels = job.recipe, job.dataset.labels
    network, images = Network(job.initial_weights), device_images(job.dataset, recipe.input_px, job.device)
    job.resume_after(0)
    for epoch in range(1, recipe.epochs + 1):
        started, learning_rate, sums, encoded = time.monotonic(), recipe.learning_rate_at(epoch), np.zeros(3), None
        whole = job.epoch(epoch)
        for batch in whole.batches:
            index = whole.index[batch.images]
            losses = np.array(network.step(images[index], labels[index], recipe, learning_rate))
            sums += losses * batch.count
            job.report_step(batch.step, epoch, losses[0])
        means, seconds = job.mean_losses(epoch, sums.tolist()), time.monotonic() - started
        if recipe.evaluates(epoch):
            encoded = job.encode(lambda index: encode_with(network.outputs, images, index, job.progress))
        job.finish_epoch(epoch, learning_rate, means, seconds, encoded, None)
    job.finish(encoded, Checkpoint(network.arrays, epoch=recipe.epochs, learning_rate=learning_rate))


def load():
    here = sys.modules[__name__]
    return Implementation(here, here, here, device_images, here, None, fit, None, None, here)


if __name__ == "__main__":
    run_worker("tests.children.numpy_worker", "NumPy", load)
