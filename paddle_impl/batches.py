"""The dropout masks of an epoch on the device: put there once, sliced and unpacked there."""

from paddle_impl.runtime import paddle
from shared.training.batches import BIT_VALUES, Batch, Epoch

Tensor = paddle.Tensor


class DeviceBatches:
    """Dropout masks of an epoch's batches on one device."""

    def __init__(self, epoch: Epoch, device: str) -> None:
        self._units = epoch.units
        self._masks = epoch.masks and tuple(map(paddle.to_tensor, epoch.masks))
        self._bit_values = paddle.to_tensor(BIT_VALUES)

    def masks(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Dropout masks before fc6 and fc7, bool (B, units), 1 = keep; None where the framework draws its own."""
        if batch.masks is None:
            return None
        images = batch.images.stop - batch.images.start
        packed = zip(self._masks, batch.masks, self._units, strict=True)
        return tuple(self._unpacked(mask[place], images, units) for mask, place, units in packed)

    def _unpacked(self, packed: Tensor, images: int, units: int) -> Tensor:
        bits = paddle.bitwise_and(packed.unsqueeze(1), self._bit_values) != 0
        return bits.flatten()[: images * units].reshape([images, units])
