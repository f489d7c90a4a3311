"""What a framework must offer the worker, typed: ``torch_impl`` and ``paddle_impl`` are its two implementations.

A Protocol stands for a module or a class of the same name in both packages. Between shared code and a framework go
NumPy arrays in the neutral form: PyTorch's orientation under this project's parameter names. Networks, optimisers and
tensors are the framework's own, and only handed back to it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from shared.checkpoint.checkpoint import Checkpoint
from shared.codes.predictions import Outputs
from shared.config.recipe import Recipe
from shared.data.cifar import Dataset
from shared.system.progress import Progress
from shared.training.batches import Batch, Epoch
from shared.training.job import Job
from shared.training.launch import Command, Layout
from shared.training.ranks import Ranks

Arrays = dict[str, np.ndarray]
Network = Optimizer = Tensor = Encoder = Any
# dropout masks, uint8 (B, units), before fc6 and before fc7; None where nothing is dropped
Masks = tuple[np.ndarray, np.ndarray] | None
# uint8 images (N, height, width, 3) -> Outputs
Model = Callable[[np.ndarray], Outputs]


class Runtime(Protocol):
    """Module ``runtime``: the process and its device."""

    FRAMEWORK: str

    def configure(self) -> None:
        """Set memory, threads and the precision that ``Arithmetic.of_process`` names."""

    def autocast(self, device: str) -> AbstractContextManager:
        """Where forward passes belong: bfloat16 if that is this process's precision, else no change."""

    def gpu_problem(self) -> str:
        """Why no CUDA device can be used, in one line; "" where one can."""

    def has_gpu(self) -> bool:
        """Whether a CUDA device can be used."""

    def resolve_device(self, name: str) -> str:
        """ "cpu" or "cuda" for auto, cpu or cuda; UserError for cuda without a GPU."""

    def environment(self, device: str) -> dict:
        """The contents of ``environment.json``: ``run_schema.ENVIRONMENT`` names what is read of it again."""


class Device(Protocol):
    """Module ``device``: the GPUs of this process, and products by which a device proves that it computes."""

    def cards(self) -> list[dict]:
        """``name``, compute ``capability`` ("8.6") and ``bytes`` of memory of each GPU that can be used."""

    def code(self) -> list[str] | None:
        """The architectures that this build has code for, such as "sm_86"; None where it does not say."""

    def cudnn(self) -> int | None:
        """The version of the cuDNN that was found, such as 91900; None where there is none."""

    def products(self, arrays: Arrays, device: str) -> tuple[Arrays, str]:
        """What ``device_proof.RESULTS`` names, float64, and where it was computed, "cpu" or "cuda".

        ``arrays`` are ``device_proof.INPUTS``: in float32 the process's precision holds, float64 stays float64. Raises
        whatever the framework does for a device that cannot compute them.
        """


class Parallel(Protocol):
    """Module ``parallel``: several processes that train together."""

    def count_gpus(self) -> int:
        """CUDA devices that can be used."""

    def commands(self, arguments: list[str], layout: Layout, device: str, scratch: Path) -> list[Command]:
        """What starts this node's ranks of ``python ARGUMENTS``; ``scratch`` is an empty folder of theirs."""

    def join(self, device: str) -> Ranks:
        """Meet the other ranks; this process's device becomes the current one."""


class Convert(Protocol):
    """Module ``convert``: between the framework's parameters and neutral float32 arrays, by parameter name."""

    def from_neutral(self, recipe: Recipe, arrays: Arrays, device: str) -> Network:
        """A network on ``device`` with the neutral ``arrays`` as its parameters."""

    def load_neutral(self, recipe: Recipe, network: Network, arrays: Arrays) -> None:
        """Set the network's parameters to the neutral ``arrays``."""

    def to_neutral(self, recipe: Recipe, network: Network) -> Arrays:
        """Copies of the network's parameters."""

    def momentum_from_neutral(self, recipe: Recipe, network: Network, optimizer: Optimizer, momentum: Arrays) -> None:
        """Give ``optimizer`` the ``momentum`` arrays (shared/checkpoint/moments.py) as its buffers."""

    def momentum_to_neutral(self, recipe: Recipe, network: Network, optimizer: Optimizer) -> Arrays:
        """Copies of the optimiser's buffers."""

    def checkpoint_of(self, recipe: Recipe, network: Network, optimizer: Optimizer, epoch: int) -> Checkpoint:
        """The state of training after ``epoch``, copied in the neutral form."""

    def restore_checkpoint(self, recipe: Recipe, network: Network, optimizer: Optimizer, state: Checkpoint) -> None:
        """Go back to ``state``, which has momentum and epoch; the learning rate is the recipe's of that epoch."""


class DeviceImages(Protocol):
    """Class ``images.DeviceImages``: images of a data set for one device. ``labels`` is int64 (N,)."""

    labels: Tensor

    def __init__(self, dataset: Dataset, input_px: int, device: str) -> None: ...

    def upsampled(self, index: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""

    def normalised(self, index: Tensor) -> Tensor:
        """Network input, float32 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""

    def inputs(self, index: np.ndarray, parts: Sequence[slice]) -> Iterator[tuple[Tensor, Tensor]]:
        """Network input and labels (int64) of the images at each of the ``parts`` of ``index`` (int64), in turn."""


class DeviceBatches(Protocol):
    """Class ``batches.DeviceBatches``: the dropout masks of an epoch's batches, on one device."""

    def __init__(self, epoch: Epoch, device: str) -> None: ...

    def masks(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Dropout masks before fc6 and fc7, bool (B, units), 1 = keep; None where the framework draws its own."""


class Encode(Protocol):
    """Module ``encode``: from images to hash logits and predicted classes."""

    def encode_images(
        self, network: Network, images: DeviceImages, index: np.ndarray, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """Hash logits float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,).

        Where numbers grow beyond float32 an image's hash logits are NaN, and its class is ``NO_CLASS``.
        """

    def encode_with(
        self, encoder: Encoder, images: DeviceImages, index: np.ndarray, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """``encode_images`` by an encoder made before."""

    def make_encoder(self, network: Network) -> Encoder:
        """The fastest way through the network, which is in evaluation mode, that detects an overflow."""


class Exporter(Protocol):
    """Module ``export``: the network and its preprocessing as a model that needs nothing of this project."""

    def write(self, form: str, recipe: Recipe, arrays: Arrays, size: tuple[int, int], folder: Path) -> None:
        """Write a model in the format ``form`` into ``folder``, for any number of uint8 images of ``size``.

        Raises MissingPackage where the format needs one that is not installed.
        """

    def open_model(self, folder: Path) -> Model:
        """The model in ``folder``, which is of the framework's own format, on the CPU."""


class Side(Protocol):
    """Class ``probe.Side``: network and optimiser for the alignment ladder, in ``dtype`` "float32" or "float64".

    All arrays of a network are of that dtype: states and gradients by parameter name, pixels (B, 3, px, px).
    """

    def __init__(self, recipe: Recipe, dtype: str, device: str) -> None: ...

    def load(self, state: Arrays, momentum: Arrays | None) -> None:
        """Set weights and momentum; None is no momentum yet."""

    def weights(self) -> Arrays:
        """The network's parameters."""

    def momentum(self) -> Arrays:
        """The optimiser's buffers (shared/checkpoint/moments.py)."""

    def pixels(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upsampled integers, float64, and normalised pixels, float32, of uint8 images (N, H, W, 3)."""

    def forward(self, pixels: np.ndarray, masks: Masks, training: bool) -> Arrays:
        """Output of every stage by its name, of the sign and of the classifier."""

    def stage(self, name: str, x: np.ndarray, masks: Masks) -> np.ndarray:
        """Output of one stage for a given input."""

    def backward(self, pixels: np.ndarray, labels: np.ndarray, masks: Masks) -> Arrays:
        """``feature``, ``logits``, the losses, and ``gradient.`` of every parameter, the feature and the pixels.

        ``feature`` are the hash logits (B, bits); ``labels`` is int64 (B,).
        """

    def step(self, learning_rate: float, gradients: Arrays | None = None) -> float:
        """One optimiser step with the last or the given gradients; the learning rate read back."""

    def set_learning_rate(self, learning_rate: float) -> float:
        """Set the learning rate and read it back."""

    def exported(self, images: np.ndarray) -> Arrays:
        """What ``exported.run_exported`` gives for the network and uint8 images (N, H, W, 3)."""


class Bench(Protocol):
    """Class ``bench.Bench``: the parts of training and encoding one by one, to be timed."""

    def __init__(self, job: Job) -> None: ...

    def wait(self) -> None:
        """Return when the device has finished all its work."""

    def product(self) -> None:
        """One product of two square matrices of side ``PRODUCT_SIDE``."""

    def upsample(self) -> None:
        """Make the pixels of the next batch."""

    def input(self) -> Any:
        """Pixels, masks and labels of the next batch."""

    def forward(self, inputs: Any) -> Tensor:
        """The loss of what ``input`` gave."""

    def backward(self, loss: Tensor) -> None:
        """The gradients of what ``forward`` gave."""

    def update(self) -> None:
        """One optimiser step."""

    def encoder(self) -> Encoder:
        """What ``Encode.make_encoder`` makes of the network."""

    def encode(self, encoder: Encoder, index: np.ndarray) -> np.ndarray:
        """Hash logits float32 (N, bits) of the images at ``index`` int64 (N,), in one batch."""

    def profile(self, work: Callable[[], object], path: Path) -> None:
        """Write what the framework's profiler records of ``work()`` on the device, as Chrome's trace events (JSON)."""

    def state(self) -> Checkpoint:
        """Weights and momentum in the neutral form."""

    def load(self, state: Checkpoint) -> None:
        """Set them to what ``state`` gave."""


class Implementation(NamedTuple):
    """What ``load`` of both ``__main__`` modules gives: what the verbs need of a framework.

    ``fit`` trains and finishes a job; ``probe`` answers request files in a folder, on a device; ``bench`` opens what is
    timed. These three import their modules when they are called, since other verbs do without.
    """

    runtime: Runtime
    parallel: Parallel
    convert: Convert
    device_images: type[DeviceImages]
    encode: Encode
    export: Exporter
    fit: Callable[[Job], None]
    probe: Callable[[list[Path], Path, str], None]
    bench: Callable[[Job], Bench]
    device: Device
