"""What both frameworks of a suite say of an image: class, code and the nearest items of the database."""

import asyncio
import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from compare.reporting.codes import NEAREST
from compare.search.neighbours import RunIndex
from compare.serving.answering import Answerer
from compare.worker import NAMES
from shared.cifar import Dataset
from shared.packing import pack_codes


@dataclass(frozen=True)
class Side:
    """One framework: its worker, and the codes of its database."""

    framework: str
    answerer: Answerer
    database: RunIndex

    @property
    def name(self) -> str:
        """ "PyTorch Lightning" or "PaddlePaddle"."""
        return NAMES[self.framework]

    async def answer(self, name: str, pixels: np.ndarray) -> dict:
        """What ``predict`` says of an image uint8 (height, width, 3), and ``nearest``; raises Unavailable."""
        record = await asyncio.wrap_future(self.answerer.submit(name, pixels))
        return record | {"nearest": await asyncio.to_thread(self._nearest, record["bits"])}

    def _nearest(self, bits: str) -> list[dict]:
        """At one distance, items stand by their position in the database."""
        position, distance = self.database.codes.nearest(pack_codes(np.array([list(bits)]) == "1"), NEAREST)
        index, labels = self.database.index[position[0]], self.database.labels[position[0]]
        places = zip(index.tolist(), labels.tolist(), distance[0].tolist(), strict=True)
        return [{"index": i, "label": label, "distance": how_far} for i, label, how_far in places]


@dataclass(frozen=True)
class Lookup:
    """The frameworks that can be asked, and the images of their suite; ``missing`` framework -> why it cannot be.

    ``queries`` int64 (Q,) are the images that lie in no database.
    """

    bits: int
    seed: int
    dataset: Dataset
    queries: np.ndarray
    sides: list[Side]
    missing: dict[str, str]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width to which every picture is brought."""
        return self.dataset.pixels.shape[1:3]

    @property
    def health(self) -> dict:
        """What is served, for people and for machines."""
        devices = {side.framework: side.answerer.greeting["device"] for side in self.sides}
        items = {side.framework: len(side.database.index) for side in self.sides}
        cell = {"bits": self.bits, "seed": self.seed, "dataset": self.dataset.name}
        return {"status": "ok", **cell, "frameworks": devices, "items": items, "missing": self.missing}

    def samples(self) -> list[dict]:
        """The first query of each class."""
        labels, first = np.unique(self.dataset.labels[self.queries], return_index=True)
        index = self.queries[first]
        return [{"index": int(i), "class": self._class(y)} for i, y in zip(index, labels, strict=True)]

    def png(self, number: int) -> bytes:
        """The image of this number as a PNG file."""
        return _png(self.dataset.pixels[number])

    async def search_own(self, number: int) -> dict:
        """``search`` for an image of the data set, whose class is known."""
        found = await self.search(f"image {number}", self.dataset.pixels[number])
        return found | {"true": self._class(self.dataset.labels[number])}

    async def search(self, name: str, pixels: np.ndarray) -> dict:
        """What each framework says of an image, uint8 (*size, 3), and where they differ; raises Unavailable."""
        answers = await asyncio.gather(*(side.answer(name, pixels) for side in self.sides))
        for answer in answers:
            answer["nearest"] = [hit | {"class": self._class(hit["label"])} for hit in answer["nearest"]]
        frameworks = {
            side.framework: {"name": side.name, **answer} for side, answer in zip(self.sides, answers, strict=True)
        }
        seen = f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"
        differing = [place for place in range(self.bits) if len({answer["bits"][place] for answer in answers}) > 1]
        summary = _summary(answers, len(differing), self.bits)
        return {"image": name, "true": None, "seen": seen, "summary": summary, "differing": differing} | {
            "frameworks": frameworks
        }

    def _class(self, label: int) -> str:
        return self.dataset.class_of(int(label))


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _summary(answers: list[dict], apart: int, bits: int) -> str:
    """In words, how far two frameworks agree; of one, what it says.

    >>> near = [{"index": 1}, {"index": 2}]
    >>> _summary([{"class": "cat", "nearest": near}, {"class": "dog", "nearest": near[1:]}], 3, 12)
    'They disagree: cat and dog. Their codes are 3 of 12 bits apart; they share 1 of the 2 nearest.'
    """
    classes = [answer["class"] for answer in answers]
    if len(answers) == 1:
        return f"It says {classes[0]}."
    says = f"Both say {classes[0]}" if len(set(classes)) == 1 else f"They disagree: {' and '.join(classes)}"
    shared = set.intersection(*({hit["index"] for hit in answer["nearest"]} for answer in answers))
    near = f"they share {len(shared)} of the {len(answers[0]['nearest'])} nearest"
    return f"{says}. Their codes are {apart} of {bits} bits apart; {near}."
