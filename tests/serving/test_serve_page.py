"""The page of ``compare/serve.py`` in a real browser: uploads, wrong files, queries, keyboard, wide and narrow."""

import pytest

from compare.serving.uploads import MAX_BYTES
from tests.browser import page_of
from tests.servers import FRAMEWORKS, picture
from tests.worker.test_predict import stored


def choose(page, name, content):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})


def shown_answer(page):
    page.wait_for_selector("#found:not([hidden]):not(.old)")
    return page.inner_text("#found")


def refused(page):
    page.wait_for_selector("#error:not([hidden])")
    return page.inner_text("#error")


def pass_file(page, event, name, content):
    """What the browser does when a visitor drops or pastes a file of these octets, or of as many zeros."""
    page.evaluate(
        """([kind, name, octets]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(octets)], name));
            const event = kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
                                           : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
            document.querySelector("main").dispatchEvent(event);
        }""",
        [event, name, content],
    )


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_page_shows_what_the_server_says(browser, server, width, scheme):
    with page_of(browser, server.address, width, scheme) as (page, complaints, requests):
        number = int(page.get_attribute("[data-number] >> nth=4", "data-number"))
        answer = server.json(f"/search/{number}")
        page.locator("[data-number]").nth(4).click()
        text = shown_answer(page)
        assert answer["summary"] in text
        for name in FRAMEWORKS:
            side, record = page.locator(f"article[data-framework={name}]"), answer["frameworks"][name]
            assert side.locator(".bits").inner_text().replace(" ", "") == record["bits"]
            assert side.locator("mark").count() == len(answer["differing"])
            assert record["hex"] in side.inner_text()
            shown = [line.removeprefix("\u2717 ") for line in side.locator("li .class").all_inner_texts()]
            assert shown == [hit["class"] for hit in record["nearest"]]
            wrong = [hit["class"] != answer["true"] for hit in record["nearest"]]
            marked = side.locator("li").evaluate_all("all => all.map(node => node.classList.contains('wrong'))")
            assert marked == wrong
            assert side.locator("dd.class").inner_text().startswith("\u2717") == (record["class"] != answer["true"])
        page.wait_for_function("() => [...document.images].every(image => image.complete)")
        assert page.locator("img").evaluate_all("all => all.every(node => node.naturalWidth === 8)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert complaints == []
        assert all(address.startswith((server.address, "data:")) for address in requests)


def test_pictures_by_picker_drop_and_paste(browser, server):
    with page_of(browser, server.address) as (page, complaints, _):
        content = stored(picture(0)).read()
        summary = server.json("/search", content)["summary"]
        choose(page, "<b>chosen</b>.png", content)
        page.get_by_text("<b>chosen</b>.png").first.wait_for()
        assert summary in shown_answer(page)
        for event, name in (("drop", "dropped.png"), ("paste", "pasted picture")):
            pass_file(page, event, "dropped.png", list(content))
            page.get_by_text(name).first.wait_for()
            assert summary in shown_answer(page)
            assert page.locator(".wrong, .bad").count() == 0
        assert complaints == []


def test_page_says_what_is_wrong_and_goes_on(browser, server):
    with page_of(browser, server.address) as (page, _, _):
        choose(page, "notes.png", b"hello")
        assert "notes.png: expected an image file (PNG, " in refused(page)
        assert page.locator("#found").is_hidden()
        pass_file(page, "drop", "huge.png", MAX_BYTES + 1)
        page.get_by_text("huge.png: expected at most 10.0 MB, received 10.0 MB").wait_for()
        choose(page, "good.png", stored(picture(0)).read())
        assert "good.png" in shown_answer(page)
        assert page.locator("#error").is_hidden()


def test_page_by_keyboard(browser, server):
    with page_of(browser, server.address) as (page, _, _):
        order = []
        for _ in range(3):
            page.keyboard.press("Tab")
            order.append(page.evaluate("document.activeElement.className || document.activeElement.id"))
        assert order == ["skip", "file", ""]
        page.keyboard.press("Enter")
        assert "in the data: digit 0" in shown_answer(page)
        assert page.get_attribute("[data-number] >> nth=0", "aria-pressed") == "true"
        assert "Both say" in page.inner_text("[role=status]") or "disagree" in page.inner_text("[role=status]")
        assert page.locator("img:not([alt])").count() == 0
