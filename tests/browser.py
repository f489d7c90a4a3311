"""The system's Chromium, headless, for the tests of pages."""

import os
import shutil
from contextlib import contextmanager

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    """A browser that is open for one test module; skipped where none is installed, unless one must be."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        if os.environ.get("GREEDYHASH_TEST_BROWSER") == "required":
            pytest.fail("GREEDYHASH_TEST_BROWSER=required, but there is no browser")
        pytest.skip("no browser: install chromium (.ci/install-browser)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # the sandbox needs rights that root in a container has not
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def page_of(browser, address, width=1280, scheme="light"):
    """The page at ``address``, and what the browser complained of and asked for while it is open."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page, complaints, requests
    page.close()
