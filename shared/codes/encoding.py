"""Images through an encoder batch by batch, with fewer at once when memory runs out."""

from collections.abc import Callable

import numpy as np

from shared.codes.finite import predicted_classes
from shared.system.progress import Progress

BATCH_SIZE = 128
# index int64 (B,) -> hash logits float32 (B, bits) and logits float32 (B, classes)
EncodeBatch = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def encode_in_batches(
    encode_batch: EncodeBatch, index: np.ndarray, progress: Progress, ran_out: Callable[[Exception], bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Hash logits float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,), N > 0.

    The class is ``NO_CLASS`` where logits are not finite.
    ``ran_out`` is true for an exception that lack of memory caused. After one the batch is halved for good, with a
    line that says so; an image that does not fit alone raises it again.
    """
    size, done, parts = BATCH_SIZE, 0, []
    while done < len(index):
        batch = index[done : done + size]
        try:
            parts.append(encode_batch(batch))
        except Exception as error:
            if len(batch) == 1 or not ran_out(error):
                raise
            size = len(batch) // 2
            progress.note(f"  memory ran out: encoding goes on with {size} images at once instead of {len(batch)}")
            continue
        done += len(batch)
        progress.update("encode", done, len(index))
    hash_logits, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return hash_logits, predicted_classes(logits)
