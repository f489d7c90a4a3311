"""Starting and ending ``compare/serve.py``: what it serves, what it refuses, and that nothing is left of it."""

import dataclasses
import shutil
import signal
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest

from compare.serve import build_parser
from compare.serving.app import is_loopback
from compare.serving.open_lookup import choose_runs, open_lookup
from compare.serving.server import listen
from shared.config.recipe import PRESETS
from shared.system.errors import UserError
from tests import helpers
from tests.browser import page_of
from tests.rows import finish
from tests.servers import FRAMEWORKS, serving, start


@pytest.fixture(scope="module")
def half_suite(small_suite, tmp_path_factory):
    """The suite of one framework, the one that starts fastest."""
    out = tmp_path_factory.mktemp("half") / "suite"
    shutil.copytree(small_suite / FRAMEWORKS[-1], out / FRAMEWORKS[-1])
    return out


def test_one_framework_alone_and_ctrl_c(browser, half_suite):
    with serving(half_suite) as server:
        assert server.json("/search/0")["summary"].startswith("It says digit ")
        assert "PaddlePaddle is left out" in server.lines[0] or "PyTorch Lightning is left out" in server.lines[0]
        with page_of(browser, server.address) as (page, _, _):
            assert "is left out: no finished run with 12 bits, seed 2000." in page.inner_text("#missing")
            page.locator("[data-number]").first.click()
            page.wait_for_selector("#found:not([hidden])")
            assert page.locator("article").count() == 1
            # a visitor who is still there does not hold it up
            server.end(signal.SIGINT)
            page.locator("[data-number]").last.click()
            page.wait_for_selector("#error:not([hidden])")
            assert "is compare/serve.py still running?" in page.inner_text("#error")


def test_ended_while_it_starts(half_suite):
    process = start(half_suite)
    helpers.wait_until(lambda: helpers.children(process.pid))
    (worker,) = helpers.children(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 0
    helpers.wait_until(lambda: not Path(f"/proc/{worker}").exists(), seconds=60)


def test_mistakes_are_one_line(half_suite):
    done = helpers.run("compare/serve.py", half_suite, "--port", "0", "--bits", "48", status=2)
    message = "expected a finished run --bits 48, found 12 bits with seed 2000; see benchmark.py --out"
    assert done.stderr == f"error: {half_suite}: {message}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "/no/such/images"], "no such data: /no/such/images"),
        ([f"--{FRAMEWORKS[-1]}-python", "/no/such/python"], "cannot start /no/such/python"),
    ],
)
def test_what_cannot_be_served(half_suite, options, message):
    arguments = build_parser().parse_args([str(half_suite), *options])
    with pytest.raises(UserError, match=message), ExitStack() as stack:
        open_lookup(arguments, stack)


def test_addresses_that_cannot_be_had():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"received 127.0.0.1 and {port}: Address already in use"):
            listen("127.0.0.1", port)
    for host, port in (("127.0.0.1", 99999), ("no.such.host.invalid", 0)):
        with pytest.raises(UserError, match=f"that are free here, received {host} and {port}: "):
            listen(host, port)


def test_missing_package_names_the_extra(half_suite, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'starlette' else find(name, *rest)\n"
    )
    command = ["compare/serve.py", half_suite]
    assert "pip install -e '.[serve]'" in helpers.run(*command, status=2, environment={"PYTHONPATH": tmp_path}).stderr


def test_default_is_the_longest_that_both_have(tmp_path):
    for framework, bits, seed in [("torch", 48, 1), *product(("torch", "paddle"), (12, 24), (7, 3))]:
        finish(tmp_path, dataclasses.replace(PRESETS["demo"], bits=bits, seed=seed), framework, 0.5)
    chosen = choose_runs(tmp_path, None, None)
    assert {run.folder.name for run in chosen.values()} == {"bits24-seed3"}
    assert chosen.keys() == {"torch", "paddle"}
    assert choose_runs(tmp_path, 48, None).keys() == {"torch"}
    assert choose_runs(tmp_path, None, 7)["paddle"].folder.name == "bits24-seed7"
    with pytest.raises(UserError, match="found 12 bits with seed 3, 12 bits with seed 7"):
        choose_runs(tmp_path, 16, None)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("192.168.1.7", False),
        ("example.org", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) == loopback
