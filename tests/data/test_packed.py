"""Pictures packed into a file of the cache: the pixels that memory would hold, whole, also after an interruption."""

import json
import multiprocessing
import os
import resource
import signal

import numpy as np
import pytest

from shared.data import cifar, collection, packed
from shared.data.collection import Reading
from shared.data.leaks import contents
from shared.readers.mapped import is_mapped
from shared.system import files
from shared.system.errors import UserError
from tests import helpers
from tests.data.drawn import class_folders, list_files, picture
from tests.fakes import KeptProgress

ROW = 3 * 16 * 16


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GREEDYHASH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packed"


@pytest.fixture
def pictures(tmp_path):
    """Twelve of several sizes, of which the first is larger than the square of 16 pixels."""
    for number in range(12):
        picture(tmp_path / "p" / f"c{number % 3}" / f"{number}.png", (10 + number % 2 if number else 20, 12), number)
    return tmp_path / "p"


def load(folder, store_px=16, always_packed=True, progress=None, skip_unreadable=False):
    return cifar.load(folder, reading=Reading(store_px, skip_unreadable, always_packed, progress or KeptProgress()))


def phases(progress):
    return list(dict.fromkeys(phase for phase, *_ in progress.updates))


def same(dataset, other):
    assert np.array_equal(dataset.pixels, other.pixels)
    assert dataset.labels.tolist() == other.labels.tolist()
    assert dataset.digest() == other.digest()
    assert np.array_equal(contents(dataset.pixels), contents(other.pixels))


def test_packed_pixels_are_those_that_memory_would_hold(pictures):
    mapped = load(pictures)
    assert is_mapped(mapped.pixels)
    assert mapped.pixels.shape == (12, 16, 16, 3)
    assert not is_mapped(load(pictures, always_packed=False).pixels)
    same(mapped, load(pictures, always_packed=False))
    with pytest.raises(ValueError, match="read-only"):
        mapped.pixels[0] = 0


def test_pictures_of_one_size_within_the_square_are_packed_as_they_are(tmp_path):
    folder = class_folders(tmp_path / "p")
    assert load(folder).pixels.shape == (12, 8, 8, 3)
    same(load(folder), load(folder, always_packed=False))


def test_a_later_picture_of_another_size_makes_all_of_them_squares(tmp_path):
    folder = class_folders(tmp_path / "p")
    picture(folder / "c2" / "9.png", (9, 7), 1)
    assert load(folder).pixels.shape == (13, 16, 16, 3)
    same(load(folder), load(folder, always_packed=False))


def test_what_memory_may_not_hold_is_packed(pictures, monkeypatch):
    for most, expected in ((12 * ROW, False), (12 * ROW - 1, True)):
        monkeypatch.setattr(collection, "MOST_IN_MEMORY", most)
        assert is_mapped(load(pictures, always_packed=False).pixels) is expected


def test_pictures_are_packed_once_wherever_they_lie(pictures, tmp_path, cache):
    progress = KeptProgress()
    first = load(pictures, progress=progress)
    assert phases(progress) == ["read", "pack"]
    assert progress.updates[-1][1:3] == (12, 12)
    (tmp_path / "moved").symlink_to(pictures)
    progress = KeptProgress()
    same(first, load(tmp_path / "moved", progress=progress))
    assert phases(progress) == ["read", "check"]
    assert len(list(cache.iterdir())) == 1


def test_other_content_or_another_square_is_packed_apart(pictures, cache):
    load(pictures)
    load(pictures, store_px=15)
    changed = picture(pictures / "c0" / "0.png", (40, 40), 99)
    latest = load(pictures)
    assert len(list(cache.iterdir())) == 3
    assert np.array_equal(latest.pixels, load(pictures, always_packed=False).pixels)
    assert changed.exists()


def test_lists_keep_their_split(tmp_path):
    folder = list_files(tmp_path / "p")
    mapped, held = load(folder), load(folder, always_packed=False)
    same(mapped, held)
    assert mapped.listed.digest() == held.listed.digest()


def test_pictures_that_cannot_be_read_are_named_and_counted_alike(pictures):
    (pictures / "c0" / "3.png").write_bytes(b"none")
    (pictures / "c2" / "11.png").write_bytes((pictures / "c2" / "11.png").read_bytes()[:90])
    messages = []
    for always_packed in (True, True, False):  # packed, packed before, in memory
        with pytest.raises(UserError) as caught:
            load(pictures, always_packed=always_packed)
        messages.append(str(caught.value))
    assert "2 of 12 pictures cannot be read" in messages[0]
    assert len(set(messages)) == 1
    skipped = [load(pictures, always_packed=packs, skip_unreadable=True) for packs in (True, False)]
    same(*skipped)
    assert len(skipped[0].pixels) == 10
    assert skipped[0].notes == skipped[1].notes


def test_none_that_can_be_read_is_refused(pictures):
    for file in pictures.glob("*/*"):
        file.write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(UserError, match="12 of 12 pictures cannot be read"):
            load(pictures, skip_unreadable=True)


class Interrupted(Exception):
    pass


class StopAt(KeptProgress):
    """Ends the packing after so many pictures."""

    def __init__(self, count):
        super().__init__()
        self._count = count

    def update(self, phase, done, total, **metrics):
        super().update(phase, done, total, **metrics)
        if phase == "pack" and done == self._count:
            raise Interrupted


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(packed, "_BYTES_A_BLOCK", 3 * ROW)


def interrupt(folder, count):
    with pytest.raises(Interrupted):
        load(folder, progress=StopAt(count))


def test_packing_goes_on_after_the_last_finished_block(pictures, small_blocks):
    (pictures / "c0" / "3.png").write_bytes(b"none")
    interrupt(pictures, 8)  # blocks of 4, of which one picture cannot be read, and 3: one picture is beyond
    progress = KeptProgress()
    again = load(pictures, progress=progress, skip_unreadable=True)
    assert [done for phase, done, *_ in progress.updates if phase == "pack"] == [8, 9, 10, 11, 12]
    same(again, load(pictures, always_packed=False, skip_unreadable=True))


def test_a_killed_process_leaves_what_the_next_one_completes(pictures, small_blocks, cache):
    class Killed(StopAt):
        def update(self, phase, done, total, **metrics):
            if phase == "pack" and done == 8:
                os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=load, args=(pictures,), kwargs={"progress": Killed(8)})
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert json.loads(next(cache.glob("*/packed.json")).read_text())["done"] == 6
    same(load(pictures), load(pictures, always_packed=False))


@pytest.mark.parametrize("harm", ["pixel", "short", "record", "other counts", "no file"])
@pytest.mark.parametrize("count", [8, None])
def test_damage_is_found_and_packed_anew(harm, count, pictures, small_blocks, cache):
    interrupt(pictures, count) if count else load(pictures)
    (file,), (record,) = cache.glob("*/pixels.u8"), cache.glob("*/packed.json")
    content, values = bytearray(file.read_bytes()), json.loads(record.read_text())
    if harm == "pixel":
        content[ROW + 5] ^= 1
        file.write_bytes(content)
    elif harm == "short":
        file.write_bytes(content[: 2 * ROW])
    elif harm == "record":
        record.write_text("{")
    elif harm == "other counts":
        record.write_text(json.dumps(values | {"done": values["done"] - 1}))
    else:
        file.unlink()
    progress = KeptProgress()
    same(load(pictures, progress=progress), load(pictures, always_packed=False))
    assert "damaged" in progress.notes[0]


def test_pixels_in_use_survive_that_they_are_packed_anew(pictures, cache):
    before = load(pictures)
    (file,), (record,) = cache.glob("*/pixels.u8"), cache.glob("*/packed.json")
    in_use = file.stat().st_ino
    record.write_text("{")
    same(load(pictures), before)
    assert file.stat().st_ino != in_use


def test_a_disk_that_is_full_is_one_line_before_anything_is_packed(pictures, monkeypatch, cache):
    usage = packed.shutil.disk_usage(pictures)
    monkeypatch.setattr(packed.shutil, "disk_usage", lambda _: usage._replace(free=12 * ROW - 1))
    with pytest.raises(UserError, match=f"expected {12 * ROW} bytes free .*received {12 * ROW - 1}; make room"):
        load(pictures)
    assert not list(cache.glob("*/packed.json"))


def test_a_write_that_fails_is_one_line_and_leaves_what_goes_on(pictures, small_blocks, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (7 * ROW, limits[1]))
        with pytest.raises(UserError, match=r"cannot write .*pixels\.u8: File too large.*GREEDYHASH_CACHE"):
            load(pictures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert json.loads(next(cache.glob("*/packed.json")).read_text())["done"] == 6
    same(load(pictures), load(pictures, always_packed=False))


def test_two_processes_wait_for_one_another(pictures, cache):
    load(pictures)
    (folder,) = cache.iterdir()

    class Releases(KeptProgress):
        def note(self, text, detail=False):
            super().note(text, detail)
            lock.__exit__(None, None, None)

    progress, lock = Releases(), files.folder_lock(folder)
    lock.__enter__()
    with helpers.must_end():
        load(pictures, progress=progress)
    assert len(progress.notes) == 1
    assert "another process packs these pictures" in progress.notes[0]
