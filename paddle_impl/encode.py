"""From images to hash logits and predicted classes."""

import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from paddle_impl.images import DeviceImages
from paddle_impl.model import GreedyHash, SignStraightThrough
from paddle_impl.runtime import autocast, paddle, use_all_threads
from shared.codes.encoding import encode_in_batches
from shared.codes.finite import Reach, may_overflow
from shared.system.machine import is_tuned, num_threads
from shared.system.progress import Progress

Tensor, nn = paddle.Tensor, paddle.nn
# normalised pixels (B, 3, H, W) -> hash logits (B, bits) and logits (B, classes)
Encoder = Callable[[Tensor], tuple[Tensor, Tensor]]


def encode_images(
    network: GreedyHash, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Hash logits float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,).

    Where numbers grow beyond float32 an image's hash logits are NaN, and its class is ``NO_CLASS``.
    """
    was_training = network.training
    network.eval()
    encoded = encode_with(make_encoder(network), images, index, progress)
    network.train() if was_training else network.eval()
    return encoded


@paddle.no_grad()
def encode_with(
    encoder: Encoder, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """``encode_images`` by an encoder made before."""

    def encode_parts(index: np.ndarray, parts: Sequence[slice]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for pixels, _ in images.inputs(index, parts):
            with autocast(paddle.get_device()):
                hash_logits, logits = encoder(pixels)
            yield hash_logits.astype("float32").numpy(), logits.astype("float32").numpy()

    return encode_in_batches(encode_parts, index, progress, _ran_out_of_memory)


@paddle.no_grad()
def make_encoder(network: GreedyHash) -> Encoder:
    """The fastest way through the network, which is in evaluation mode, on its device, that detects an overflow."""
    if may_overflow(map(_reach, network.children())):
        return _checked(network)
    return _onednn_encoder(network) if _has_fast_inference(network) else _layer_by_layer(network)


def _has_fast_inference(network: GreedyHash) -> bool:
    # Paddle 2.6's oneDNN predictor crashes beside a network in training
    version = int(paddle.__version__.split(".")[0])
    return is_tuned() and paddle.get_device() == "cpu" and version >= 3 and not network.shared


def _layer_by_layer(network: GreedyHash) -> Encoder:
    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = network(pixels)
        return output.hash_logits, output.logits

    return encode


def _reach(layer: nn.Layer) -> Reach:
    bias = 0.0 if layer.bias is None else layer.bias.abs().max().item()
    inputs = 0 if isinstance(layer, nn.Linear) else [1, 2, 3]  # Paddle's linear weights are (in, out)
    return Reach(layer.weight.abs().sum(inputs).max().item(), bias)


def _checked(network: GreedyHash) -> Encoder:
    """Layer by layer; an image for which any layer gives a number that is not finite has hash logits of NaN."""

    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        x, overflow = pixels, paddle.zeros([len(pixels), 1])
        for _, stage in network.stages():
            x = stage(x)
            finite = paddle.isfinite(x).flatten(1).all(axis=1, keepdim=True)
            overflow = paddle.where(finite, overflow, paddle.full_like(overflow, math.nan))
        return x + overflow, network.classifier(SignStraightThrough.apply(x)) + overflow

    return encode


def _onednn_encoder(network: GreedyHash) -> Encoder:
    """The network through Paddle Inference with oneDNN, about three times as fast on a CPU as layer by layer.

    Its hash logits differ from the network's by the rounding of another order of summation.
    """
    folder = Path(tempfile.mkdtemp())
    try:
        pixels = paddle.static.InputSpec([None, 3, None, None], "float32", name="pixels")
        paddle.jit.save(network, str(folder / "network"), input_spec=[pixels])
        config = paddle.inference.Config(str(folder / "network.json"), str(folder / "network.pdiparams"))
        config.disable_gpu()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(num_threads())
        config.disable_glog_info()
        predictor = paddle.inference.create_predictor(config)
    finally:
        shutil.rmtree(folder)

    def encode(pixels: Tensor) -> tuple[Tensor, Tensor]:
        hash_logits, _, logits = predictor.run([pixels])
        use_all_threads()  # a predictor sets one thread for everything else, such as the training that goes on
        return hash_logits, logits

    return encode


def _ran_out_of_memory(error: Exception) -> bool:
    # short of memory, the predictor gives no other reason than the name of C++'s base class
    return isinstance(error, MemoryError) or any(text in str(error) for text in ("ResourceExhausted", "std::exception"))
