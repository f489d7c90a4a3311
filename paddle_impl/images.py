"""Images kept on the device as uint8, gathered there and upsampled to the very integers that Pillow gives."""

import numpy as np

from paddle_impl.runtime import paddle
from shared.data import pixels
from shared.data.cifar import Dataset

Tensor = paddle.Tensor


class DeviceImages:
    """All images (uint8) and labels of a data set on one device."""

    def __init__(self, dataset: Dataset, input_px: int, device: str) -> None:
        _, height, width, _ = dataset.pixels.shape
        self.labels = paddle.to_tensor(dataset.labels)
        self._pixels = paddle.to_tensor(np.ascontiguousarray(dataset.pixels.transpose(0, 3, 1, 2)))
        self._columns = paddle.to_tensor(np.ascontiguousarray(pixels.matrix(width, input_px).T))
        self._rows = paddle.to_tensor(pixels.matrix(height, input_px))
        self._scale = paddle.to_tensor(pixels.SCALE.reshape(3, 1, 1))
        self._shift = paddle.to_tensor(pixels.SHIFT.reshape(3, 1, 1))

    def upsampled(self, index: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        x = paddle.gather(self._pixels, index).astype("float64")
        x = paddle.matmul(x, self._columns).scale_(1.0, 0.5).floor_()
        return paddle.matmul(self._rows, x).scale_(1.0, 0.5).floor_()

    def normalised(self, index: Tensor) -> Tensor:
        """Network input, float32 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        return self.upsampled(index).astype("float32").multiply_(self._scale).add_(self._shift)
