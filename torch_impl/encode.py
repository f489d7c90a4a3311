"""From images to features and predicted classes."""

import numpy as np
import torch

from shared.progress import Progress
from torch_impl.images import DeviceImages
from torch_impl.model import GreedyHash
from torch_impl.runtime import autocast

BATCH_SIZE = 128


@torch.inference_mode()
def encode_images(
    network: GreedyHash, images: DeviceImages, index: np.ndarray, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,)."""
    was_training = network.training
    network.eval()
    features, predicted = [], []
    for start in range(0, len(index), BATCH_SIZE):
        batch = torch.from_numpy(index[start : start + BATCH_SIZE]).to(images.device)
        with autocast(images.device.type):
            output = network(images.normalised(batch))
        features.append(output.feature.float().cpu().numpy())
        predicted.append(output.logits.argmax(dim=1).cpu().numpy())
        progress.update("encode", start + len(batch), len(index))
    network.train(was_training)
    return np.concatenate(features), np.concatenate(predicted)
