"""The console in a browser, after calls went all the way: callbacks, stream, projector, pages.

`make test` runs it on a separate local stack. SCREENSHOTS=docs writes the pictures of the documentation.
"""

import json
import os
import re
import shutil
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
RINGBACK = str(ROOT / "target/debug/ringback")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PLAYED = ["answered", "missed", "rejected", "busy", "canceled", "answered-elsewhere", "late-join"]
PLAYED += ["never-ends", "tencent-older", "tencent-current"]
MARKUP = '<img src=x onerror="document.title=1"><b>Mallory</b>'
SERVICE = "planetkit"


def play(name: str) -> dict[str, Any]:
    """Plays a whole call into the local stack, as a vendor would."""
    done = subprocess.run(
        [RINGBACK, "call", name, "--speed", "1000", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    played: dict[str, Any] = json.loads(done.stdout)
    return played


def call_back(path: str, **parameters: str) -> None:
    """Sends one of LINE's callbacks."""
    query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
    urllib.request.urlopen(f"{os.environ['CALLBACK_URL']}{path}?{query}", timeout=10).read()


@unittest.skipUnless(CHROMIUM, "there is no Chromium")
class Console(unittest.TestCase):
    """One stack, one console and one browser; a page for each test."""

    process: ClassVar[subprocess.Popen[str]]
    playwright: ClassVar[Playwright]
    browser: ClassVar[Browser]
    url: ClassVar[str]
    played: ClassVar[dict[str, dict[str, Any]]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.played = {name: play(name) for name in PLAYED}
        now = int(time.time())
        common = {"from_service_id": SERVICE, "to_service_id": SERVICE, "type": "V"}
        times = {"setup_time": now - 70, "end_time": now - 10, "start_time": 0, "duration": 0}
        ended = {name: str(value) for name, value in times.items()}
        reason = {"disconnect_reason": "1203", "terminate": "18", "releaser_type": "2"}
        people = {"from_user_id": MARKUP, "to_user_id": "quiet-bob"}
        call_back("/line/call_event", sid="markup-call", **common, **people, **ended, **reason)
        room = {"sid": "silent-room", "svc_id": SERVICE, "id": "silent-room", "user_svc_id": SERVICE}
        room |= {"user_id": "carol", "host_id": "carol", "host_svc_id": SERVICE, "sc": "S", "media_type": "A"}
        times = {"setup_time": now - 10_900, "start_time": now - 10_900, "end_time": 0}
        began = {name: str(value) for name, value in times.items()}
        call_back("/line/gcall_event", **room, **began, online="-1", msc="C", ts=str((now - 10_900) * 1000))
        command = [RINGBACK, "console", "--port", "0", "--json"]
        cls.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop)
        assert cls.process.stdout
        cls.url = json.loads(cls.process.stdout.readline())["url"]
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        cls.browser = cls.playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        cls.addClassCleanup(cls.browser.close)
        cls.wait_for("/users/line/planetkit/quiet-bob", "tr.missed")
        cls.wait_for("/live", "text=silent-room")
        cls.wait_for(f"/calls/{cls.played['tencent-current']['sid']}", "text=Ended")

    @classmethod
    def stop(cls) -> None:
        cls.process.terminate()
        cls.process.wait(10)
        if cls.process.stdout:
            cls.process.stdout.close()

    @classmethod
    def wait_for(cls, path: str, selector: str) -> None:
        """The stream brings calls within some seconds."""
        page = cls.browser.new_page()
        for _ in range(60):
            page.goto(cls.url + path[1:])
            if page.locator(selector).count():
                break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{path} never showed {selector}: {page.inner_text('body')}")
        page.close()

    def open(self, path: str, **context: Any) -> Page:
        page = self.browser.new_page(**context)
        self.addCleanup(page.close)
        page.goto(self.url + path[1:])
        return page

    def pages(self) -> list[str]:
        missed = self.played["missed"]["sid"]
        room = self.played["late-join"]["sid"]
        paths = ["/", "/calls", "/calls?outcome=missed", "/live", f"/calls/{missed}", f"/calls/{room}"]
        paths += ["/calls/markup-call", "/calls/silent-room", "/users/line/planetkit/quiet-bob"]
        return [*paths, "/rooms/line/planetkit/silent-room", "/search?q=nobody", "/calls?from=soon"]

    def test_the_overview_has_the_figures_the_reasons_and_the_newest_calls(self) -> None:
        page = self.open("/")
        expect(page).to_have_title("Overview · Ringback")
        expect(page.get_by_role("link", name=re.compile(r"^Live \(\d+\)$"))).to_be_visible()
        tiles = page.get_by_label("Figures")
        calls = tiles.locator(".tile").first.locator(".number").inner_text()
        self.assertGreaterEqual(int(calls), len(PLAYED))
        expect(tiles).to_contain_text(re.compile(r"\d+ %"))
        expect(tiles).to_contain_text("1 silent for 3 h")
        expect(page.locator(".reasons")).to_contain_text("1203 no answer")
        expect(page.get_by_role("img", name="Outcomes by hour")).to_be_visible()
        self.assertGreater(page.locator(".chart rect").count(), 2)
        page.get_by_text("The same as a table").click()
        expect(page.get_by_role("columnheader", name="Answer rate")).to_be_visible()
        self.assertGreaterEqual(page.locator("table.cards tbody tr").count(), len(PLAYED))

    def test_a_filter_stays_in_the_form_and_in_the_file(self) -> None:
        page = self.open("/calls")
        every = page.locator("tbody tr").count()
        page.get_by_label("Outcome").select_option("missed")
        page.get_by_role("button", name="Filter").click()
        rows = page.locator("tbody tr")
        self.assertTrue(0 < rows.count() < every)
        for row in rows.all():
            expect(row).to_contain_text("Missed")
        expect(page.get_by_label("Outcome")).to_have_value("missed")
        address = page.get_by_role("link", name="CSV of this list").get_attribute("href")
        with urllib.request.urlopen(self.url + str(address)[1:], timeout=10) as file:
            lines = file.read().decode().splitlines()
        self.assertEqual(len(lines) - 1, rows.count())
        self.assertTrue(all(",missed," in line for line in lines[1:]))

    def test_a_silent_room_says_for_how_long(self) -> None:
        row = self.open("/live").locator("tr", has_text="silent-room")
        expect(row).to_contain_text("silent for 3 h")

    def test_a_call_tells_its_story_and_shows_each_callback_as_it_came(self) -> None:
        page = self.open(f"/calls/{self.played['missed']['sid']}")
        expect(page.locator(".timeline")).to_contain_text("1203 no answer")
        expect(page.locator(".timeline")).to_contain_text("rang 1 min 00 s")
        page.locator("summary").first.click()
        expect(page.get_by_label("What the vendor sent").first).to_contain_text('"disconnect_reason": "1203"')
        page = self.open(f"/calls/{self.played['late-join']['sid']}")
        expect(page.get_by_label("People in the call")).to_contain_text("carol")
        expect(self.open("/calls/silent-room").locator(".odd")).to_contain_text("-1 people online")

    def test_strangers_text_stays_text(self) -> None:
        for path in ["/", "/calls", "/calls/markup-call", "/users/line/planetkit/quiet-bob"]:
            page = self.open(path)
            expect(page.get_by_text("<img src=x onerror=").first).to_be_visible()
            self.assertEqual(page.locator("main img, main b").count(), 0)
            self.assertIn("Ringback", page.title())

    def test_the_search_finds_a_call_a_user_and_a_room(self) -> None:
        sid = self.played["answered"]["sid"]
        found = {sid: "/calls/", "quiet-bob": "/users/line/planetkit/"}
        found[MARKUP] = "/users/line/planetkit/"
        for text, path in found.items():
            page = self.open("/")
            page.get_by_role("searchbox").fill(text)
            page.keyboard.press("Enter")
            expect(page).to_have_url(re.compile(re.escape(path)))
        expect(self.open("/search?q=nobody").locator("main")).to_contain_text("Nothing found")
        # The room and its session have the same name.
        both = self.open("/search?q=silent-room").locator("ul.found li")
        expect(both).to_contain_text([re.compile("Call"), re.compile("Room")])

    def test_a_foreign_host_is_refused(self) -> None:
        request = urllib.request.Request(self.url, headers={"Host": "rebound.example"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        self.assertEqual(refused.exception.code, 421)
        refused.exception.close()

    def test_the_keyboard_reaches_everything_in_the_order_of_the_page(self) -> None:
        page = self.open("/calls")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page = self.open("/calls")
        for name in ["Skip to the content", "Ringback", "Overview", "Calls", "Live"]:
            page.keyboard.press("Tab")
            expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()

    def test_live_parts_come_anew_and_leave_the_focus_alone(self) -> None:
        page = self.browser.new_page()
        self.addCleanup(page.close)
        page.clock.install()
        page.goto(self.url)
        page.evaluate("document.querySelector('.tiles .number').textContent = 'old'")
        page.get_by_role("searchbox").focus()
        page.get_by_role("searchbox").fill("half a na")
        page.clock.run_for(15_100)
        expect(page.locator(".tiles .number").first).not_to_have_text("old")
        expect(page.get_by_role("searchbox")).to_be_focused()
        expect(page.get_by_role("searchbox")).to_have_value("half a na")
        page.get_by_text("The same as a table").click()
        page.locator(".tiles a").first.focus()
        page.clock.run_for(15_100)
        expect(page.get_by_role("columnheader", name="Answer rate")).to_be_visible()
        expect(page.locator(".tiles a").first).to_be_focused()
        page.get_by_role("button", name="Pause").click()
        page.evaluate("document.querySelector('.tiles .number').textContent = 'old'")
        page.clock.run_for(31_000)
        expect(page.locator(".tiles .number").first).to_have_text("old")

    def test_nothing_scrolls_sideways_on_a_narrow_screen(self) -> None:
        for path in self.pages():
            page = self.open(path, viewport={"width": 320, "height": 640})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 320, path)

    def test_axe_finds_nothing_in_light_and_dark(self) -> None:
        for scheme in ["light", "dark"]:
            for path in self.pages():
                page = self.open(path, color_scheme=scheme)
                for summary in page.locator("summary").all():
                    summary.click()
                found = Axe().run(page)
                self.assertEqual(found.violations_count, 0, f"{path} {scheme}: {found.generate_report()}")
        paper = "getComputedStyle(document.body).backgroundColor"
        light, dark = (self.open("/", color_scheme=scheme).evaluate(paper) for scheme in ["light", "dark"])
        self.assertNotEqual(light, dark)

    @unittest.skipUnless(os.environ.get("SCREENSHOTS"), "SCREENSHOTS names no folder")
    def test_pictures_of_the_documentation(self) -> None:
        folder = ROOT / os.environ["SCREENSHOTS"]
        call = f"/calls/{self.played['late-join']['sid']}"
        for name, path in {"overview": "/", "calls": "/calls", "call": call}.items():
            page = self.open(path, viewport={"width": 1180, "height": 860})
            file = folder / f"console-{name}.png"
            page.screenshot(path=file)
            self.assertLess(file.stat().st_size, 200_000)
