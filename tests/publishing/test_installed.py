"""What is installed without a checkout: it has the published numbers, and publishes nothing."""

import importlib.util
import json
import shutil
import zipfile

import pytest

from compare.tables.published import published_last
from tests import helpers
from tests.rows import PAPER

PACKAGES = ("shared", "compare", "torch_impl", "paddle_impl")
FILES = ("pyproject.toml", "README.md", "LICENSE")
READ = """
import json
from compare.tables import published
from tests.rows import PAPER
print(json.dumps([published.__file__, published.published_last(PAPER)]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of installed packages, unpacked from the wheel."""
    if not importlib.util.find_spec("setuptools"):
        pytest.skip("setuptools, which builds the wheel, is not installed")
    source, built, site = (tmp_path_factory.mktemp(name) for name in ("source", "built", "site"))
    for package in PACKAGES:
        shutil.copytree(helpers.PROJECT_ROOT / package, source / package)
    for file in FILES:
        shutil.copy(helpers.PROJECT_ROOT / file, source)
    helpers.run("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", built, source)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def test_installed_packages_have_the_published_numbers(site):
    path = {"PYTHONPATH": f"{site}:{helpers.PROJECT_ROOT}"}
    file, numbers = json.loads(helpers.run("-c", READ, environment=path, cwd=site).stdout)
    assert file.startswith(str(site))
    assert numbers == json.loads(json.dumps(published_last(PAPER)))
    assert len(numbers) == 3


def test_installed_packages_publish_nothing(site):
    error = helpers.run(site / "compare" / "publish.py", environment={"PYTHONPATH": site}, cwd=site, status=2).stderr
    assert error.startswith("error: expected a checkout of this project")
    assert error.count("\n") == 1
    assert not (site / "results").exists()
