"""``compare/serve.py``: a server as its visitors find it, in a real browser too, with files that are no pictures."""

import base64
import io
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from compare.serving.uploads import MAX_BYTES
from shared.codes.codes import Codes
from shared.codes.packing import unpack_codes
from shared.data.cifar import load
from shared.training.runs import run_of
from tests import helpers
from tests.costly import tiled_tiff
from tests.servers import FRAMEWORKS, picture
from tests.worker.test_predict import stored


@pytest.fixture(scope="module")
def codes(small_suite):
    return {name: Codes.load(run_of(small_suite, name, 12, 2000).codes_file) for name in FRAMEWORKS}


def files_of_every_kind():
    deep = Image.fromarray(np.arange(0, 2**16, 2**10, dtype=np.uint16).reshape(8, 8))
    clear = picture(1).copy()
    clear.putalpha(picture(2).convert("L").resize(clear.size))
    made = {
        "plain.png": (picture(0), "PNG"),
        "photo.jpg": (picture(1), "JPEG"),
        "moving.gif": (picture(2), "GIF"),
        "deep.png": (deep, "PNG"),
        "clear.png": (clear, "PNG"),
        "scan.tiff": (picture(3), "TIFF"),
        "a.txt": (picture(4), "BMP"),  # what counts is the content
    }
    return {name: stored(image, form).getvalue() for name, (image, form) in made.items()}


def nearest_by_counting(codes, bits):
    """Image index and distance of the ten nearest, at one distance by position; how many compete for the last place."""
    items = unpack_codes(codes.codes, codes.bits)[codes.num_queries :]
    distance = (items != (np.array(list(bits)) == "1")).sum(axis=1)
    order = np.argsort(distance, kind="stable")[:10]
    nearest = list(zip(codes.index[codes.num_queries :][order].tolist(), distance[order].tolist(), strict=True))
    last = distance[order[-1]]
    return nearest, int((distance == last).sum()) if (distance <= last).sum() > 10 else 0


def check_same(record, expected):
    """In a batch of another size, the last digits may be others."""
    for key, value in expected.items():
        assert record[key] == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value)


def check_nearest(answer, codes):
    for name in FRAMEWORKS:
        record = answer["frameworks"][name]
        hits = record["nearest"]
        nearest = [(hit["index"], hit["distance"]) for hit in hits], record["tied"]
        assert nearest == nearest_by_counting(codes[name], record["bits"])
        labels = load("digits").labels
        assert [hit["label"] for hit in hits] == [labels[hit["index"]] for hit in hits]
        assert [hit["class"] for hit in hits] == [f"digit {hit['label']}" for hit in hits]


def test_health(server):
    health = server.json("/health")
    cell = {"status": "ok", "bits": 12, "seed": 2000, "dataset": "digits", "missing": {}}
    sides = {"frameworks": dict.fromkeys(FRAMEWORKS, "cpu"), "items": dict.fromkeys(FRAMEWORKS, 1297)}
    assert health == cell | sides
    assert server.lines == [f"{server.address} shows 12 bits, seed 2000; Ctrl-C ends it\n"]


def test_uploads_are_answered_as_predict_does(server, small_suite, codes, tmp_path):
    files = files_of_every_kind()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    answers = [server.json(f"/search?name={name}", content) for name, content in files.items()]
    for framework in FRAMEWORKS:
        checkpoint = run_of(small_suite, framework, 12, 2000).checkpoint_file
        options = ["--checkpoint", checkpoint, "--json", "--image", *(tmp_path / name for name in files)]
        lines = helpers.worker(framework, "predict", *options).stdout.splitlines()
        for name, line, answer in zip(files, lines, answers, strict=True):
            expected = json.loads(line) | {"image": name}
            check_same(answer["frameworks"][framework], expected)
    for name, answer in zip(files, answers, strict=True):
        assert (answer["image"], answer["true"]) == (name, None)
        seen = Image.open(io.BytesIO(base64.b64decode(answer["seen"].removeprefix("data:image/png;base64,"))))
        assert seen.size == (8, 8)
        check_nearest(answer, codes)


def test_queries_are_answered_as_their_codes_are_stored(server, codes):
    for place in (0, 77, 499):
        number = int(codes[FRAMEWORKS[0]].index[place])
        answer = server.json(f"/search/{number}")
        assert (answer["image"], answer["true"]) == (f"digits[{number}]", f"digit {codes[FRAMEWORKS[0]].labels[place]}")
        check_nearest(answer, codes)
        for name in FRAMEWORKS:
            assert int(answer["frameworks"][name]["hex"], 16) == codes[name].codes[place, 0]
        texts = [answer["frameworks"][name]["bits"] for name in FRAMEWORKS]
        assert answer["differing"] == [k for k in range(12) if len({text[k] for text in texts}) > 1]


def test_images_are_those_of_the_data(server):
    status, headers, content = server.ask("/image/1796.png")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "image/png", "no-cache")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), load("digits").pixels[1796])
    address = f"/image/3.png?v={load('digits').digest()[:12]}"
    assert "immutable" in server.ask(address)[1]["cache-control"]


def cut_png():
    return stored(picture(2)).getvalue()[:300]


def bomb():
    return stored(Image.new("1", (7_000, 7_000)), compress_level=9).getvalue()


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (lambda: b"hello", 415, "x.png: expected an image file (PNG, "),
        (cut_png, 415, "x.png: expected an image file (PNG, "),
        (lambda: b"<!doctype html><script>alert(1)</script>", 415, "received something else"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "received something else"),
        (bomb, 415, "expected at most 40,000,000 pixels, received more"),
        (lambda: b"", 422, "expected a picture as the body of the request, received nothing"),
        (lambda: bytes(MAX_BYTES), 415, "received something else"),
        # in pieces, without a length that could be judged beforehand
        (lambda: (bytes(2**16) for _ in range(MAX_BYTES // 2**16 + 1)), 413, "expected at most 10 MB, received more"),
    ],
    ids=["text", "truncated", "html", "svg", "bomb", "empty", "largest", "too large"],
)
def test_wrong_files_are_refused_and_the_server_lives_on(server, content, status, message):
    assert message in server.json("/search?name=x.png", content(), status)["error"]
    assert server.json("/health")["status"] == "ok"


def test_form_is_told_how_to_send_a_file(server):
    body = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.png\r\n\r\nabc\r\n--x--\r\n"
    answer = server.json("/search", body, 415, content_type="multipart/form-data; boundary=x")
    assert "--data-binary @FILE" in answer["error"]


def test_too_large_is_told_before_the_body_is_sent(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_visitor_who_leaves_in_the_middle(server):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc")
    assert server.json("/health")["status"] == "ok"
    assert len(server.json("/search", stored(picture(0)).read())["frameworks"]) == len(FRAMEWORKS)


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2fserve.html.j2",
        "/static/serve.html.j2",
        "/static/",
        "/templates/serve.js",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/image/..%2f..%2fREADME.md",
        "/image/-1.png",
        "/image/1797.png",
        "/image/1e3.png",
        "/image/%D9%A1.png",  # a digit, but no ASCII one
        "/search/1797",
        "/search/" + "9" * 5000,
        "/docs",
        "/openapi.json",
    ],
)
def test_nothing_but_its_own_addresses(server, path):
    assert server.json(path, status=404)["error"]


def test_name_of_a_file_is_text_and_no_more(server):
    for name in ("../../etc/passwd", "<img src=x onerror=alert(1)>", "seven\n.png", "\u202egnp.exe"):
        answer = server.json(f"/search?name={quote(name)}", stored(picture(0)).read())
        assert answer["image"] == name
    assert len(server.json("/search?name=" + "a" * 3000, stored(picture(0)).read())["image"]) == 100


def test_every_response_has_the_headers(server):
    for path, status in (("/", 200), ("/health", 200), ("/static/serve.js", 200), ("/none", 404), ("/search", 405)):
        found, headers, _ = server.ask(path)
        assert found == status
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_another_sites_name_for_this_machine_is_refused(server):
    assert server.ask("/health", Host="evil.example")[0] == 400
    assert server.ask("/health", Host=f"localhost:{server.port}")[0] == 200


def test_hundred_at_once(server):
    uploads = [stored(picture(number)).read() for number in range(20)]
    alone = [server.json("/search", upload) for upload in uploads]
    with ThreadPoolExecutor(100) as pool:
        together = list(pool.map(lambda n: server.json(f"/search?name={n}", uploads[n % 20]), range(100)))
    for number, answer in enumerate(together):
        expected = alone[number % 20]
        assert (answer["image"], answer["summary"]) == (str(number), expected["summary"])
        for name in FRAMEWORKS:
            check_same(answer["frameworks"][name], expected["frameworks"][name] | {"image": str(number)})


def test_costly_picture_and_silent_visitors_while_others_are_answered(server):
    costly, upload = tiled_tiff(100_000), stored(picture(4)).read()
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        refused = pool.submit(server.json, "/search?name=x.tif", costly, 422)
        for _ in range(600):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        assert len(server.json("/search", upload)["frameworks"]) == len(FRAMEWORKS)
        assert server.json("/search/0")["true"] == "digit 0"
        assert not refused.done()  # which takes eight seconds
        assert "x.tif: expected a picture that can be decoded within 8 seconds" in refused.result()["error"]


def test_killed_worker_is_replaced(server):
    upload = stored(picture(5)).read()
    before, workers = server.json("/search", upload), server.workers()
    os.kill(workers[-1], signal.SIGKILL)
    assert server.json("/search", upload) == before
    assert len(server.workers()) == len(FRAMEWORKS)
    assert server.workers() != workers
