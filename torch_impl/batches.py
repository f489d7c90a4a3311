"""The dropout masks of an epoch on the device: put there once, sliced and unpacked there."""

import numpy as np
import torch
from torch import Tensor

from shared.training.batches import BIT_VALUES, Batch, Epoch


class DeviceBatches:
    """Dropout masks of an epoch's batches on one device."""

    def __init__(self, epoch: Epoch, device: str) -> None:
        self._units, self._device = epoch.units, torch.device(device)
        self._masks = epoch.masks and tuple(map(self._put, epoch.masks))
        self._bit_values = self._put(BIT_VALUES)

    def masks(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Dropout masks before fc6 and fc7, bool (B, units), 1 = keep; None where the framework draws its own."""
        if batch.masks is None:
            return None
        images = batch.images.stop - batch.images.start
        packed = zip(self._masks, batch.masks, self._units, strict=True)
        return tuple(self._unpacked(mask[place], images, units) for mask, place, units in packed)

    def _unpacked(self, packed: Tensor, images: int, units: int) -> Tensor:
        bits = torch.bitwise_and(packed.unsqueeze(1), self._bit_values) != 0
        return bits.flatten()[: images * units].reshape(images, units)

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)
