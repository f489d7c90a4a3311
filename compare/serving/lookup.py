"""The answers of a suite's frameworks for an image: class, code and the nearest items of the database."""

import asyncio
import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from compare.frameworks.records import FRAMEWORKS, all_of
from compare.page.codes import NEAREST
from compare.search.neighbours import RunIndex
from compare.serving.answering import Answerer
from shared.codes.packing import pack_codes
from shared.data.cifar import Dataset, image_name


@dataclass(frozen=True)
class Side:
    """One framework: its worker, and the codes of its database."""

    framework: str
    answerer: Answerer
    database: RunIndex

    @property
    def name(self) -> str:
        """The framework's full name."""
        return FRAMEWORKS[self.framework].title

    async def answer(self, name: str, pixels: np.ndarray) -> dict:
        """``predict``'s record of an image uint8 (height, width, 3), ``nearest`` and ``tied``; raises Unavailable."""
        record = await asyncio.wrap_future(self.answerer.submit(name, pixels))
        return record | await asyncio.to_thread(self._nearest, record["bits"])

    def _nearest(self, bits: str) -> dict:
        """The nearest items, those at one distance in database order.

        ``tied``: how many items are as far away as the last one, if not all of them are among the nearest; else 0.
        """
        words = pack_codes(np.array([list(bits)]) == "1")
        position, distance = self.database.codes.nearest(words, NEAREST)
        index, labels = self.database.index[position[0]], self.database.labels[position[0]]
        places = zip(index.tolist(), labels.tolist(), distance[0].tolist(), strict=True)
        nearest = [{"index": i, "label": label, "distance": how_far} for i, label, how_far in places]
        farthest = nearest[-1]["distance"]
        there, shown = self.database.codes.count_at(words[0], farthest), sum(distance[0] == farthest)
        return {"nearest": nearest, "tied": there if there > shown else 0}


@dataclass(frozen=True)
class Lookup:
    """The frameworks that can answer, and the images of their suite; ``missing`` framework -> why it cannot.

    ``queries`` int64 (Q,) are the images that lie in no database.
    """

    preset: str
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
        """What is served: the answer to ``/health``."""
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
        answer = await self.search(image_name(self.dataset.name, number), self.dataset.pixels[number])
        return answer | {"true": self._class(self.dataset.labels[number])}

    async def search(self, name: str, pixels: np.ndarray) -> dict:
        """Each framework's answer for an image, uint8 (*size, 3), and where they differ; raises Unavailable."""
        answers = await asyncio.gather(*(side.answer(name, pixels) for side in self.sides))
        for answer in answers:
            answer["nearest"] = [hit | {"class": self._class(hit["label"])} for hit in answer["nearest"]]
        frameworks = {
            side.framework: {"name": side.name, **answer} for side, answer in zip(self.sides, answers, strict=True)
        }
        seen = f"data:image/png;base64,{base64.b64encode(_png(pixels)).decode()}"
        differing = [place for place in range(self.bits) if len({answer["bits"][place] for answer in answers}) > 1]
        summary = _summary([*frameworks.values()], len(differing), self.bits)
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
    """How far the frameworks agree, as text; the class alone where there is one framework.

    >>> near = [{"index": 1, "distance": 0}, {"index": 2, "distance": 3}]
    >>> both = {"class": "cat", "nearest": near, "tied": 0}, {"class": "dog", "nearest": near[1:], "tied": 0}
    >>> _summary(both, 3, 12)
    'They disagree: cat and dog. Their codes are 3 of 12 bits apart; they share 1 of the 2 nearest.'
    """
    classes = [answer["class"] for answer in answers]
    ties = _ties(answers)
    if len(answers) == 1:
        return f"It says {classes[0]}.{ties}"
    all_say = f"{all_of(len(answers)).capitalize()} say {classes[0]}"
    says = all_say if len(set(classes)) == 1 else f"They disagree: {' and '.join(classes)}"
    differ = f"are {apart} of {bits} bits apart" if len(answers) == 2 else f"differ in {apart} of {bits} bits"
    codes = f"{says}. Their codes {differ}"
    if ties:
        return f"{codes}.{ties}"
    shared = set.intersection(*({hit["index"] for hit in answer["nearest"]} for answer in answers))
    cut = ", the last of which ties decide" if any(answer["tied"] for answer in answers) else ""
    return f"{codes}; they share {len(shared)} of the {len(answers[0]['nearest'])} nearest{cut}."


def _ties(answers: list[dict]) -> str:
    """A sentence where ties decide more than half of what an answer calls nearest.

    >>> zero, one = {"distance": 0}, {"distance": 1}
    >>> _ties([{"nearest": [zero, zero], "tied": 67}, {"nearest": [zero, one], "tied": 17}])
    ' Ties decide 2 and 1 of the 2 nearest: 67 items at distance 0 and 17 at distance 1.'
    """
    tied = [answer for answer in answers if answer["tied"]]
    last = [answer["nearest"][-1]["distance"] for answer in tied]
    places = [sum(hit["distance"] == end for hit in answer["nearest"]) for answer, end in zip(tied, last, strict=True)]
    count = len(answers[0]["nearest"])
    if not any(2 * many > count for many in places):
        return ""
    whose = f"{tied[0]['name']}'s" if len(tied) < len(answers) else "the"
    items = [f"{answer['tied']}{' items' * (not at)} at distance {last[at]}" for at, answer in enumerate(tied)]
    if len(set(last)) == 1:
        items = [f"{' and '.join(str(answer['tied']) for answer in tied)} items at distance {last[0]}"]
    return f" Ties decide {' and '.join(map(str, places))} of {whose} {count} nearest: {' and '.join(items)}."
