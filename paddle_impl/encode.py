"""From images to features and predicted classes."""

import numpy as np

from paddle_impl.images import DeviceImages
from paddle_impl.model import GreedyHash
from paddle_impl.runtime import paddle
from shared.progress import Progress

BATCH_SIZE = 128


@paddle.no_grad()
def encode_images(
    network: GreedyHash, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,)."""
    was_training = network.training
    network.eval()
    features, predicted = [], []
    for start in range(0, len(index), BATCH_SIZE):
        batch = paddle.to_tensor(index[start : start + BATCH_SIZE])
        output = network(images.normalised(batch))
        features.append(output.feature.numpy())
        predicted.append(output.logits.argmax(axis=1).numpy())
        progress.update("encode", start + len(batch), len(index))
    network.train() if was_training else network.eval()
    return np.concatenate(features), np.concatenate(predicted)
