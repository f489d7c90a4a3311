"""What a trained network says of pictures: of any size and mode, and of files that are none."""

import io
import json
import os
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image, features

from shared.codes.codes import Codes
from shared.codes.packing import unpack_codes
from shared.codes.predictions import Outputs, line, records
from shared.data import pictures
from shared.data.cifar import class_name, load
from shared.data.pictures import read_picture
from shared.system.errors import UserError
from shared.training.runs import Run
from tests import helpers

SIZE = (8, 8)
GREY = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
RGB = np.stack([GREY, GREY.T, 255 - GREY], axis=2)
LEFT_HALF = np.where(np.arange(8) < 4, 255, 0).astype(np.uint8)[None].repeat(8, axis=0)


def stored(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    file.seek(0)
    return file


def read(image, form="PNG", **options):
    return read_picture(stored(image, form, **options), "x")


def colour(image):
    return np.asarray(image.convert("RGB"))


def as_grey(values):
    return np.repeat(np.asarray(values)[..., None], 3, axis=2)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_formats_without_loss_arrive_as_they_are(form):
    np.testing.assert_array_equal(read(Image.fromarray(RGB), form), RGB)


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp():
    np.testing.assert_array_equal(read(Image.fromarray(RGB), "WEBP", lossless=True), RGB)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_modes_of_eight_bits(mode):
    image = Image.fromarray(RGB).convert(mode)
    np.testing.assert_array_equal(read(image, "TIFF"), colour(image))


@pytest.mark.parametrize(("dtype", "form"), [(np.uint16, "PNG"), (np.uint16, "TIFF"), (np.int32, "TIFF")])
def test_of_sixteen_bits_the_upper_eight_count(dtype, form):
    values = GREY.astype(dtype) * 256 + 17
    np.testing.assert_array_equal(read(Image.fromarray(values), form), as_grey(GREY))


def test_transparent_parts_are_white():
    image = Image.fromarray(np.dstack([np.zeros_like(RGB), LEFT_HALF]))
    expected = as_grey(255 - LEFT_HALF)
    np.testing.assert_array_equal(read(image), expected)
    palette = Image.fromarray((LEFT_HALF > 0).astype(np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    pixels = read(palette, transparency=0)
    assert pixels[0, 7].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [40, 50, 60]


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_rotation(orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read(Image.fromarray(RGB[:, :5]), exif=exif)
    np.testing.assert_array_equal(pixels, np.rot90(RGB[:, :5], turn))


def test_first_frame_of_an_animation():
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (50, 200)]
    assert (read(frames[0], "GIF", save_all=True, append_images=frames[1:]) == 50).all()


@pytest.mark.parametrize("size", [(8, 8), (8, 20), (100, 31), (3, 5)])
def test_other_sizes_are_brought_to_ours_as_pillow_does(size):
    pixels = np.random.RandomState(0).randint(0, 256, (*size, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.BILINEAR))
    np.testing.assert_array_equal(read_picture(stored(Image.fromarray(pixels)), "x", SIZE), expected)


def corrupted(cut):
    data = stored(Image.fromarray(np.random.RandomState(0).randint(0, 256, (64, 64, 3), dtype=np.uint8))).getvalue()
    return io.BytesIO(cut(data))


@pytest.mark.parametrize(
    "file",
    [
        io.BytesIO(b"hello"),
        io.BytesIO(b""),
        corrupted(lambda data: data[:300]),
        corrupted(lambda data: data[:60] + bytes(200) + data[260:]),
        io.BytesIO(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        stored(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
        stored(Image.fromarray(GREY.astype(np.int32) * 2**16), "TIFF"),
    ],
    ids=["text", "empty", "short", "damaged", "postscript", "float", "32 bits"],
)
def test_what_is_no_picture_is_refused_in_one_line(file):
    with pytest.raises(UserError, match=r"^x: expected an image file \(PNG, .*received") as error:
        read_picture(file, "x")
    assert "\n" not in str(error.value)


def damaged_fax():
    data = bytearray(stored(Image.new("1", (200, 200), 1), "TIFF", compression="group4").getvalue())
    strip = 8  # behind the header
    data[strip : strip + 8] = b"\x03\xff" * 4
    return io.BytesIO(data)


def test_libraries_say_nothing_beside_the_one_line(capfd):
    with pytest.raises(UserError, match=r"^x: expected an image file \(PNG, .*received damaged data: ") as error:
        read_picture(damaged_fax(), "x")
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""
    print("heard", file=sys.stderr)
    assert capfd.readouterr().err == "heard\n"


def test_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch):
    bomb = stored(Image.new("1", (20_000, 20_000)), compress_level=9)
    assert len(bomb.getvalue()) < 2**17
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("decoded"))
    with pytest.raises(UserError, match="x: expected at most"):
        read_picture(bomb, "x")
    # where Pillow alone would only warn
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300_000_000)
    bomb.seek(0)
    with pytest.raises(UserError, match="x: expected at most 300,000,000 pixels"):
        read_picture(bomb, "x")


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    others = [(path, "something else") for path in (tmp_path, tmp_path / "pipe")]
    for path, received in [(tmp_path / "none", "no such file"), *others]:
        with pytest.raises(UserError, match=received):
            read_picture(path, str(path))


def test_hex_is_the_word_in_codes_npz_and_margin_the_smallest_feature():
    bits = 70
    hash_logits = np.random.RandomState(1).standard_normal((3, bits)).astype(np.float32)
    hash_logits[1, 5] = 0
    outputs = Outputs.from_hash_logits(hash_logits, np.array([0, 1, 2]), np.eye(3, bits, dtype=np.float32))
    for i, record in enumerate(records(outputs, ["a", "b", "c"], partial(class_name, "cifar10"))):
        assert record["bits"] == "".join("1" if value > 0 else "0" for value in hash_logits[i])
        assert int(record["hex"], 16) == sum(1 << k for k, bit in enumerate(record["bits"]) if bit == "1")
        assert len(record["hex"]) == 18
        assert record["margin"] == np.abs(hash_logits[i]).min()
        logits = np.sign(hash_logits[i, :3]).astype(float)
        assert record["probability"] == pytest.approx(np.exp(logits[i]) / np.exp(logits).sum(), rel=1e-6)
        assert record["class"] == ("airplane", "automobile", "bird")[i]


def test_a_model_without_classifier_names_no_class():
    hash_logits = np.float32([[-0.5, 2, 0.25]])
    [record] = records(Outputs.from_hash_logits(hash_logits, np.array([0]), None), ["a.png"], "cifar10")
    assert (record["class"], record["label"], record["probability"]) == (None, None, None)
    assert (record["bits"], record["hex"], record["margin"]) == ("011", "6", 0.25)
    assert line(record, as_json=False) == (
        "a.png: no class (the checkpoint holds no classifier), code 011 = 6, margin 0.25"
    )
    assert json.loads(line(record, as_json=True)) == record


@pytest.fixture(scope="module")
def pictures_of_digits(tmp_path_factory):
    """The first five digits as files, one five times as large, and three files that cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    pixels = load("digits").pixels
    for i in range(5):
        Image.fromarray(pixels[i]).save(folder / f"{i}.png")
    Image.fromarray(pixels[0]).resize((40, 40), Image.NEAREST).save(folder / "large.png")
    (folder / "text.png").write_text("hello")
    (folder / "short.png").write_bytes((folder / "large.png").read_bytes()[:60])
    return folder


def predict(framework, small_suite, *words, trained_by=None, status=0):
    file = small_suite / (trained_by or framework) / "bits12-seed2000" / "checkpoint.safetensors"
    done = helpers.worker(framework, "predict", "--checkpoint", file, *words, status=status)
    return [json.loads(text) if "--json" in words else text for text in done.stdout.splitlines()], done.stderr


def test_predicted_codes_are_those_of_codes_npz(framework, small_suite, pictures_of_digits):
    run = Run(small_suite / framework / "bits12-seed2000")
    codes = Codes.load(run.codes_file)
    index = codes.index[:200]
    entries, _ = predict(framework, small_suite, "--index", *index, "--json")
    for name, record in zip(index, entries, strict=True):
        assert record["image"] == f"digits[{name}]"
    assert [r["bits"] for r in entries] == ["".join(map(str, bits)) for bits in 1 * unpack_codes(codes.codes[:200], 12)]
    assert [int(r["hex"], 16) for r in entries] == codes.codes[:200, 0].tolist()
    assert [r["label"] for r in entries] == codes.predicted[:200].tolist()
    assert [r["true"] for r in entries] == [f"digit {label}" for label in codes.labels[:200]]
    np.testing.assert_allclose([r["margin"] for r in entries], codes.margin[:200].min(axis=1), rtol=1e-3, atol=1e-5)


def test_files_indices_and_either_framework_agree(small_suite, pictures_of_digits):
    files = [pictures_of_digits / f"{i}.png" for i in range(5)]
    answers = []
    for framework in ("torch", "paddle"):
        if helpers.is_installed(framework):
            answers.append(predict(framework, small_suite, "--image", *files, "--json", trained_by="torch")[0])
    answers.append(
        predict(framework, small_suite, "--index", 0, 1, "--index", 2, 3, 4, "--json", trained_by="torch")[0]
    )
    for answer in answers[1:]:
        for ours, reference in zip(answer, answers[0], strict=True):
            assert reference["margin"] > 1e-4
            assert {ours[key] == reference[key] for key in ("bits", "hex", "class", "label")} == {True}
            assert ours["probability"] == pytest.approx(reference["probability"], rel=1e-5)


def test_unreadable_files_are_named_and_the_others_done(framework, small_suite, pictures_of_digits):
    names = ("text.png", "0.png", "short.png", "large.png", "none.png")
    files = [pictures_of_digits / name for name in names]
    words = ("--image", files[0], "--image", *files[1:])  # all of them, however they are named
    lines, errors = predict(framework, small_suite, *words, status=2)
    assert [line.split(": ")[0] for line in lines] == [str(files[1]), str(files[3])]
    assert all("code " in line and "margin " in line and "probability 0." in line for line in lines)
    told = [text for text in errors.splitlines() if text.startswith("error: ")]
    assert [text.split(": ")[1] for text in told] == [str(files[0]), str(files[2]), str(files[4])]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--index", "1797"], "--index: expected 0 to 1796, received 1797"),
        (["--index", "-1", "5", "5000"], "--index: expected 0 to 1796, received -1, 5000\n"),
        ([], "one of the arguments --image --index is required"),
    ],
)
def test_bad_requests(small_suite, words, message):
    framework = next(name for name in ("torch", "paddle") if helpers.is_installed(name))
    assert message in predict(framework, small_suite, *words, status=2)[1]


def test_every_listed_format_can_be_read():
    Image.init()
    assert set(pictures.FORMATS) <= set(Image.OPEN)
    assert {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"} <= set(pictures.suffixes())
    assert not {".eps", ".pdf", ".npz"} & set(pictures.suffixes())
