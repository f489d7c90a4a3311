"""What a network says of images, whatever engine ran it: as arrays, as records and as lines."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.cifar import class_name
from shared.finite import WHY_NOT_FINITE, finite_images, predicted_classes
from shared.packing import code_hex, pack_codes


class Outputs(NamedTuple):
    """``feature`` float32 (N, bits), ``code`` uint8 (N, bits), ``probability`` float32 (N, classes), ``label`` (N,).

    A bit of the code is 1 where the feature is above 0. An exported model gives these four, under these names.
    """

    feature: np.ndarray
    code: np.ndarray
    probability: np.ndarray
    label: np.ndarray

    @classmethod
    def from_features(cls, features: np.ndarray, labels: np.ndarray, classifier: np.ndarray) -> "Outputs":
        """From features (N, bits), predicted classes (N,) and the classifier's weight (classes, bits), a network's."""
        with np.errstate(invalid="ignore", over="ignore"):  # of features that are not finite
            logits = np.sign(features) @ classifier.T
            grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        return cls(features, (features > 0).astype(np.uint8), grown / grown.sum(axis=1, keepdims=True), labels)


def records(outputs: Outputs, names: Sequence[str], dataset: str) -> list[dict]:
    """One flat dict per image, of values that JSON knows.

    ``bits`` begins with bit 0; ``hex`` is the number whose lowest bit that is, as in the words of ``codes.npz``.
    ``margin`` is the smallest |feature|: how far the code is from another one. Of an image whose feature or probability
    is not finite there is nothing to say but ``image`` and the ``problem``.
    """
    words, finite = pack_codes(outputs.code), finite_images(outputs.feature, predicted_classes(outputs.probability))
    found = []
    for i, name in enumerate(names):
        if not finite[i]:
            found.append({"image": name, "problem": f"its features are not finite; {WHY_NOT_FINITE}"})
            continue
        label = int(outputs.label[i])
        found.append(
            {
                "image": name,
                "class": class_name(dataset, label),
                "label": label,
                "probability": float(outputs.probability[i, label]),
                "bits": "".join(map(str, outputs.code[i])),
                "hex": code_hex(words[i], outputs.code.shape[1]),
                "margin": float(np.abs(outputs.feature[i]).min()),
            }
        )
    return found


def told_apart(found: Sequence[dict]) -> tuple[list[dict], list[str]]:
    """The records without a problem, and a line for each of the others."""
    problems = [f"{record['image']}: {record['problem']}" for record in found if "problem" in record]
    return [record for record in found if "problem" not in record], problems


def line(record: Mapping[str, object], as_json: bool) -> str:
    """One record as people read it, or as one line of JSON."""
    if as_json:
        return json.dumps(record, allow_nan=False)
    text = "{image}: {class}, probability {probability:.4f}, code {bits} = {hex}, margin {margin:.3g}"
    return text.format_map(record) + (f" (in the data: {record['true']})" if "true" in record else "")
