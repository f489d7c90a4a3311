"""Images as uint8, brought to the device, and upsampled there to the very integers that Pillow gives."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from shared.data import pixels
from shared.data.cifar import Dataset
from shared.readers.mapped import gathered, is_mapped, read_ahead
from shared.system.machine import return_freed_memory


class DeviceImages:
    """Images (uint8) and labels of a data set on one device: all of them, or of a memory-mapped file those in use."""

    def __init__(self, dataset: Dataset, input_px: int, device: str) -> None:
        _, height, width, _ = dataset.pixels.shape
        self.device = torch.device(device)
        self.labels = self._put(dataset.labels)
        self._host = dataset.pixels
        if is_mapped(self._host):
            return_freed_memory()
        self._pixels = None if is_mapped(self._host) else self._put(pixels.channels_first(self._host))
        # of the input's size nothing is upsampled, as in Pillow
        self._columns = None if width == input_px else self._put(pixels.columns_matrix(width, input_px))
        self._rows = None if height == input_px else self._put(pixels.matrix(height, input_px))
        self._scale = self._put(pixels.SCALE.reshape(3, 1, 1))
        self._shift = self._put(pixels.SHIFT.reshape(3, 1, 1))

    def upsampled(self, index: Tensor) -> Tensor:
        """Whole numbers 0..255, float64 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        if self._pixels is not None:
            return self._upsample(self._pixels.index_select(0, index))
        return self._upsample(self._receive(self._prepare(gathered(self._host, index.cpu().numpy()))))

    def normalised(self, index: Tensor) -> Tensor:
        """Network input, float32 (B, 3, input_px, input_px), of the images at ``index`` (int64)."""
        return self._normalise(self.upsampled(index))

    def inputs(self, index: np.ndarray, parts: Sequence[slice]) -> Iterator[tuple[Tensor, Tensor]]:
        """Network input and labels (int64) of the images at each of the ``parts`` of ``index`` (int64), in turn.

        The index goes to the device once. Images of a memory-mapped file are read one part before they are asked for.
        """
        places = self._put(index)
        if self._pixels is not None:
            batches = (self.normalised(places[part]) for part in parts)
        else:
            read = read_ahead(self._host, (index[part] for part in parts), self._prepare)
            batches = (self._normalise(self._upsample(self._receive(images))) for images in read)
        for part, batch in zip(parts, batches, strict=True):
            yield batch, self.labels.index_select(0, places[part])

    def _prepare(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W, 3) in memory that a GPU copies while it computes."""
        tensor = torch.from_numpy(images)
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _receive(self, images: Tensor) -> Tensor:
        """Prepared images on the device, (B, 3, H, W)."""
        return images.to(self.device, non_blocking=True).permute(0, 3, 1, 2).contiguous()

    def _upsample(self, images: Tensor) -> Tensor:
        x = images.to(torch.float64)
        x = x if self._columns is None else torch.matmul(x, self._columns).add_(0.5).floor_()
        return x if self._rows is None else torch.matmul(self._rows, x).add_(0.5).floor_()

    def _normalise(self, upsampled: Tensor) -> Tensor:
        return upsampled.to(torch.float32).mul_(self._scale).add_(self._shift)

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)
