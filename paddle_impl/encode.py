"""From images to features and predicted classes."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from paddle_impl.images import DeviceImages
from paddle_impl.model import GreedyHash
from paddle_impl.runtime import autocast, paddle
from shared.machine import num_threads
from shared.progress import Progress

BATCH_SIZE = 128
Tensor = paddle.Tensor


@paddle.no_grad()
def encode_images(
    network: GreedyHash, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,)."""
    was_training = network.training
    network.eval()
    forward = _predictor(network) if _has_fast_inference() else network
    features, predicted = [], []
    for start in range(0, len(index), BATCH_SIZE):
        batch = paddle.to_tensor(index[start : start + BATCH_SIZE])
        with autocast(paddle.get_device()):
            feature, _, logits = forward(images.normalised(batch))
        features.append(feature.astype("float32").numpy())
        predicted.append(logits.argmax(axis=1).numpy())
        progress.update("encode", start + len(batch), len(index))
    network.train() if was_training else network.eval()
    return np.concatenate(features), np.concatenate(predicted)


def _has_fast_inference() -> bool:
    # Paddle 2.6's oneDNN predictor crashes beside a network in training
    return paddle.get_device() == "cpu" and int(paddle.__version__.split(".")[0]) >= 3


def _predictor(network: GreedyHash) -> Callable[[Tensor], list[Tensor]]:
    """The network through Paddle Inference with oneDNN, about three times as fast on a CPU as layer by layer.

    Its features differ from the network's by the rounding of another order of summation.
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
    return lambda batch: predictor.run([batch])
