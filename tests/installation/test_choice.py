"""Which wheels a machine gets: every row of the table, cards from Maxwell to Blackwell, old and new drivers."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from compare.installation import choice
from compare.installation.cards import machine
from compare.installation.choice import check_processor, is_reached, wheels_for
from compare.installation.table import BOUNDS, TABLE, as_markdown
from shared.system.errors import UserError
from tests.helpers import PROJECT_ROOT
from tests.installation.nvidia import always, answers, never, pretend

# cards and driver -> PyTorch's wheels, Paddle's where its index is reached, and where it is not
GETS = [
    ("3.5", "470.82.01", None, None, None),
    ("5.2", "535.54.03", "CUDA 12.6", None, None),
    ("6.0", "535.54.03", "CUDA 12.6", None, None),
    ("6.1", "470.82.01", None, "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("6.1", "580.65.06", "CUDA 12.6", "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("7.0", "580.65.06", "CUDA 12.6", "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("7.5", "450.80.02", None, "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("7.5", "450.51.06", None, None, None),
    ("7.5", "579.99", "CUDA 12.6", "3.x, CUDA 12.6", "2.6.2, CUDA 11.8"),
    ("7.5", "580.65.06", "CUDA 13", "3.x, CUDA 12.6", "2.6.2, CUDA 11.8"),
    ("8.0", "525.60.13", "CUDA 12.6", "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("8.6", "535.54.03", "CUDA 12.6", "3.x, CUDA 12.6", "2.6.2, CUDA 11.8"),
    ("8.9", "1000.1", "CUDA 13", "3.x, CUDA 12.6", "2.6.2, CUDA 11.8"),
    ("9.0", "525.60.13", "CUDA 12.6", None, None),
    ("9.0", "535.183.01", "CUDA 12.6", "3.x, CUDA 12.6", None),
    ("9.0", "575.51.03", "CUDA 12.6", "3.x, CUDA 12.9", None),
    ("9.0", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("10.0", "570.86.10", None, None, None),
    ("10.0", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("10.3", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("12.0", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("12.1", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("13.0", "700.1", None, None, None),
    ("6.1 8.6", "580.65.06", "CUDA 12.6", "3.x, CUDA 11.8", "2.6.2, CUDA 11.8"),
    ("7.5 9.0", "580.65.06", "CUDA 13", "3.x, CUDA 12.6", None),
    ("9.0 10.0", "580.65.06", "CUDA 13", "3.x, CUDA 12.9", None),
    ("7.0 9.0", "580.65.06", "CUDA 12.6", None, None),
    ("7.0 12.0", "580.65.06", None, None, None),
    ("3.5 8.6", "580.65.06", None, None, None),
]


def gets(framework, here, **options):
    """The name of the row that a machine gets, None where it is refused."""
    try:
        return wheels_for(framework, here, python=(3, 11), **options).name
    except UserError:
        return None


@pytest.mark.parametrize(("cards", "driver", "torch", "paddle", "far"), GETS)
def test_what_a_machine_gets(cards, driver, torch, paddle, far, monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, answers(*cards.split(), driver=driver))
    here = machine()
    assert gets("torch", here, reached=always) == torch
    assert gets("paddle", here, reached=always) == paddle
    assert gets("paddle", here, reached=never) == far


def test_every_row_is_somebodys():
    rows = {(framework, row.name) for framework, rows in TABLE.items() for row in rows}
    got = {("torch", torch) for _, _, torch, _, _ in GETS} | {("paddle", x) for row in GETS for x in row[3:]}
    assert rows == {pair for pair in got if pair[1]}


def test_only_the_frameworks_own_indexes_are_named():
    hosts = {re.match(r"https://([^/]+)/", row.index)[1] for rows in TABLE.values() for row in rows if row.index}
    assert hosts == {"download.pytorch.org", "www.paddlepaddle.org.cn"}
    assert all(row.sources for rows in TABLE.values() for row in rows)


SENTENCES = [
    (
        ("torch", "3.5", "470.82.01", {}),
        "PyTorch: no wheel has code for compute capability 3.5; take another card, or take the CPU (make EXTRA=cpu)",
    ),
    (
        ("paddle", "6.0", "535.54.03", {}),
        "PaddlePaddle: no wheel has code for compute capability 6.0; take another card, or take PyTorch alone "
        "(make EXTRA=torch) or the CPU (make EXTRA=cpu)",
    ),
    (
        ("paddle", "7.0,9.0", "580.65.06", {}),
        "PaddlePaddle: no single wheel has code for compute capability 7.0 and 9.0; install for one kind "
        "(make CARD=9.0) and hide the rest (CUDA_VISIBLE_DEVICES), or take PyTorch alone (make EXTRA=torch) or the CPU "
        "(make EXTRA=cpu)",
    ),
    (
        ("torch", "3.5,8.6", "580.65.06", {}),
        "PyTorch: no wheel has code for compute capability 3.5; install for one kind (make CARD=8.6) and hide the rest "
        "(CUDA_VISIBLE_DEVICES), or take the CPU (make EXTRA=cpu)",
    ),
    (
        ("torch", "12.0", "570.86.10", {}),
        "PyTorch: expected driver 580 or newer, which its wheels for compute capability 12.0 need, received 570.86.10; "
        "update the driver, or take the CPU (make EXTRA=cpu)",
    ),
    (
        ("paddle", "9.0", "550.54.14", {"reached": never}),
        "PaddlePaddle: its wheels for compute capability 9.0 with driver 550.54.14 lie on www.paddlepaddle.org.cn "
        "alone, which this machine does not reach; name a copy (make PADDLE_INDEX=ADDRESS), bring them in a folder "
        "(make wheels, see docs/gpu.md), or take PyTorch alone (make EXTRA=torch) or the CPU (make EXTRA=cpu)",
    ),
    (
        ("paddle", "8.6", "550.54.14", {"reached": never, "python": (3, 13)}),
        "PaddlePaddle: expected Python 3.10 to 3.12 for those of its wheels that are reached from here (compute "
        "capability 8.6 with driver 550.54.14), received 3.13; name one (make PYTHON=python3.12), or take PyTorch "
        "alone (make EXTRA=torch) or the CPU (make EXTRA=cpu)",
    ),
]


@pytest.mark.parametrize(("asked", "sentence"), SENTENCES)
def test_what_does_not_fit_is_told_with_what_to_do(asked, sentence):
    framework, card, driver, options = asked
    with pytest.raises(UserError) as raised:
        wheels_for(framework, machine(card, driver), **{"python": (3, 11), "reached": always, **options})
    assert raised.value.args == (sentence,)


@pytest.mark.parametrize(("python", "row"), [((3, 12), "2.6.2, CUDA 11.8"), ((3, 10), "2.6.2, CUDA 11.8")])
def test_old_wheels_are_for_old_pythons(python, row):
    here = machine("8.6", "580.65.06")
    assert wheels_for("paddle", here, python=python, reached=never).name == row
    assert wheels_for("paddle", here, python=(3, 13), reached=always).name == "3.x, CUDA 12.6"


def test_another_processor_is_refused():
    check_processor("x86_64")
    with pytest.raises(UserError, match=r"processor: expected x86_64, .* received aarch64; take the CPU"):
        check_processor("aarch64")


class _NotFound(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def test_a_host_that_answers_is_reached(monkeypatch):
    """Over plain HTTP, since nobody here has a certificate."""
    opened = choice.urllib.request.urlopen
    monkeypatch.setattr(choice.urllib.request, "urlopen", lambda url, **o: opened(url.replace("https", "http"), **o))
    with HTTPServer(("127.0.0.1", 0), _NotFound) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.server_port}"
        try:
            assert is_reached(address)
        finally:
            server.shutdown()
            thread.join()
    is_reached.cache_clear()
    assert not is_reached(address)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "a b"])
def test_a_host_that_does_not_answer_is_not_reached(host):
    assert not is_reached(host)


def test_the_tables_bounds_are_the_projects():
    project = (PROJECT_ROOT / "pyproject.toml").read_text()
    for requirement in (bound for bounds in BOUNDS.values() for bound in bounds):
        assert f'"{requirement}"' in project


@pytest.mark.parametrize("name", ["docs/gpu.md", "docs/zh/gpu.md"])
def test_the_page_shows_the_table(name):
    assert "\n".join(as_markdown()) in (PROJECT_ROOT / name).read_text(encoding="utf-8")
