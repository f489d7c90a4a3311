"""What a network predicts for images, whatever engine ran it: as arrays, as records and as lines."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from shared.codes.finite import WHY_NOT_FINITE
from shared.codes.packing import code_hex, pack_codes


class Outputs(NamedTuple):
    """``feature`` float32 (N, bits), ``code`` uint8 (N, bits), ``probability`` float32 (N, classes), ``label`` (N,).

    ``feature`` are the hash logits; a bit of the code is 1 where one is above 0. An exported model gives these four,
    under these names; a model without classifier has neither probability nor label.
    """

    feature: np.ndarray
    code: np.ndarray
    probability: np.ndarray | None
    label: np.ndarray | None

    @classmethod
    def from_hash_logits(cls, hash_logits: np.ndarray, labels: np.ndarray, classifier: np.ndarray | None) -> "Outputs":
        """From hash logits (N, bits), predicted classes (N,) and the classifier's weight (classes, bits) or None."""
        if classifier is None:
            return cls(hash_logits, (hash_logits > 0).astype(np.uint8), None, None)
        with np.errstate(invalid="ignore", over="ignore"):  # of hash logits that are not finite
            logits = np.sign(hash_logits) @ classifier.T
            grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        return cls(hash_logits, (hash_logits > 0).astype(np.uint8), grown / grown.sum(axis=1, keepdims=True), labels)


def records(outputs: Outputs, names: Sequence[str], class_of: Callable[[int], str]) -> list[dict]:
    """One flat dict per image, of values that JSON can hold; ``class_of`` names a class.

    ``bits`` begins with bit 0; ``hex`` is the number whose lowest bit that is, as in the words of ``codes.npz``.
    ``margin`` is the smallest bit margin, |hash logit|: how far the code is from another one. Without a classifier
    ``class``, ``label`` and ``probability`` are None. An image whose hash logits or probabilities are not finite has
    ``image`` and ``problem`` alone.
    """
    words, finite = pack_codes(outputs.code), np.isfinite(outputs.feature).all(axis=1)
    if outputs.probability is not None:
        finite &= np.isfinite(outputs.probability).all(axis=1)
    entries = []
    for i, name in enumerate(names):
        if not finite[i]:
            kind = "logits" if np.isfinite(outputs.feature[i]).all() else "hash logits"
            entries.append({"image": name, "problem": f"its {kind} are not finite; {WHY_NOT_FINITE}: train again"})
            continue
        label = None if outputs.label is None else int(outputs.label[i])
        entries.append(
            {
                "image": name,
                "class": None if label is None else class_of(label),
                "label": label,
                "probability": None if label is None else float(outputs.probability[i, label]),
                "bits": "".join(map(str, outputs.code[i])),
                "hex": code_hex(words[i], outputs.code.shape[1]),
                "margin": float(np.abs(outputs.feature[i]).min()),
            }
        )
    return entries


def separate_problems(entries: Sequence[dict]) -> tuple[list[dict], list[str]]:
    """The records without a problem, and a line for each of the others."""
    problems = [f"{record['image']}: {record['problem']}" for record in entries if "problem" in record]
    return [record for record in entries if "problem" not in record], problems


def line(record: Mapping[str, object], as_json: bool) -> str:
    """One record as people read it, or as one line of JSON."""
    if as_json:
        return json.dumps(record, allow_nan=False)
    text = "no class (the checkpoint holds no classifier)"
    if record["class"] is not None:
        text = "{class}, probability {probability:.4f}"
    text = f"{{image}}: {text}, code {{bits}} = {{hex}}, margin {{margin:.3g}}"
    return text.format_map(record) + (f" (in the data: {record['true']})" if "true" in record else "")
