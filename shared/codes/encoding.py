"""Images through an encoder batch by batch, with fewer at once when memory runs out."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from shared.codes.finite import predicted_classes
from shared.system.progress import Progress

BATCH_SIZE = 128
# index int64 (N,) and its parts -> part by part hash logits float32 (B, bits) and logits float32 (B, classes)
EncodeParts = Callable[[np.ndarray, Sequence[slice]], Iterator[tuple[np.ndarray, np.ndarray]]]


def encode_in_batches(
    encode_parts: EncodeParts, index: np.ndarray, progress: Progress, ran_out: Callable[[Exception], bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Hash logits float32 (N, bits) and predicted classes int64 (N,) of the images at ``index`` int64 (N,), N > 0.

    The class is ``NO_CLASS`` where logits are not finite.
    ``ran_out`` is true for an exception that lack of memory caused. After one the batch is halved for good, with a
    line that says so; an image that does not fit alone raises it again.
    """
    size, done, outputs = BATCH_SIZE, 0, []
    while done < len(index):
        left = index[done:]
        try:
            for output in encode_parts(left, [slice(at, at + size) for at in range(0, len(left), size)]):
                outputs.append(output)
                done += len(output[0])
                progress.update("encode", done, len(index))
        except Exception as error:
            failed = min(size, len(index) - done)
            if failed == 1 or not ran_out(error):
                raise
            size = failed // 2
            progress.note(f"  memory ran out: encoding goes on with {size} images at once instead of {failed}")
    hash_logits, logits = (np.concatenate(arrays) for arrays in zip(*outputs, strict=True))
    return hash_logits, predicted_classes(logits)
