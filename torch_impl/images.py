"""Images kept on the device as uint8, gathered there and upsampled to the very integers that Pillow gives."""

import numpy as np
import torch
from torch import Tensor

from shared.data import pixels
from shared.data.cifar import Dataset


class DeviceImages:
    """All images (uint8) and labels of a data set on one device."""

    def __init__(self, dataset: Dataset, input_px: int, device: str) -> None:
        _, height, width, _ = dataset.pixels.shape
        self.device = torch.device(device)
        self.labels = self._put(dataset.labels)
        self._pixels = self._put(np.ascontiguousarray(dataset.pixels.transpose(0, 3, 1, 2)))
        self._columns = self._put(np.ascontiguousarray(pixels.matrix(width, input_px).T))
        self._rows = self._put(pixels.matrix(height, input_px))
        self._scale = self._put(pixels.SCALE.reshape(3, 1, 1))
        self._shift = self._put(pixels.SHIFT.reshape(3, 1, 1))

    def upsampled(self, index: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        x = self._pixels.index_select(0, index).to(torch.float64)
        x = torch.matmul(x, self._columns).add_(0.5).floor_()
        return torch.matmul(self._rows, x).add_(0.5).floor_()

    def normalised(self, index: Tensor) -> Tensor:
        """Network input, float32 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        return self.upsampled(index).to(torch.float32).mul_(self._scale).add_(self._shift)

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)
