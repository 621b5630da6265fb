"""A run or a study as one page: what it says, and what one can do with it in a browser."""

import json
import os
import re
import shutil
from decimal import Decimal
from types import SimpleNamespace

import pytest
from attrs import frozen
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from crmsim import ALL_CHECKS, Landscape, Level, load_scenario, scenario, setting
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.cli import run_command
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.report.look import save_text
from crmsim.report.page.events import MOST_EVENTS, chosen_events, events_as_json
from crmsim.report.page.page import run_page
from crmsim.units import days, hours

BOOK = "scenarios/order_book.py"
SMALL = {"made_up_orders": 20, "made_up_days": 5}
EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; CI installs one and must not do without."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        if os.environ.get("CRMSIM_NEEDS_BROWSER"):
            pytest.fail("no chromium and chromedriver; install Debian's chromium-driver")
        pytest.skip("no chromium and chromedriver here (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


def opened(browser, path):
    """Open a page; nothing may go wrong in it, and nothing may be loaded from elsewhere."""
    browser.get_log("browser")
    browser.get(path.as_uri())
    must_be_clean(browser)
    return browser


def must_be_clean(browser) -> None:
    assert browser.get_log("browser") == []
    loaded = browser.execute_script("return performance.getEntriesByType('resource').length")
    assert loaded == 0


def one(browser, css: str):
    return browser.find_element(By.CSS_SELECTOR, css)


def text(browser, css: str) -> str:
    return one(browser, css).text


def shown(browser) -> int:
    """How many events are shown, as the page says."""
    return int(text(browser, "#shown").split()[0].replace(",", ""))


def chosen(browser) -> list[str]:
    """What the panel says: the causes, the chosen event, what came of it."""
    return [item.text for item in browser.find_elements(By.CSS_SELECTOR, "#chosen button")]


def inked(browser) -> int:
    """How large the diagram is as a compressed picture; an empty one has a few hundred bytes."""
    return browser.execute_script("return document.getElementById('canvas').toDataURL().length")


@pytest.fixture(scope="module")
def bad_page(tmp_path_factory):
    """A run without de-duplication: rules are broken, so there is evidence to follow."""
    story = load_scenario(BOOK)
    result = story.run(seed=1, level=Level.MESSAGES, dedup=False, **SMALL)
    path = tmp_path_factory.mktemp("page") / "bad.html"
    save_text(run_page(result, story.doc, "0"), path)
    return path, result


def test_a_page_says_what_was_asked_and_that_it_did_not_hold(browser, bad_page):
    path, result = bad_page
    opened(browser, path)
    assert (
        text(browser, "h1")
        == "Does every order reach the ERP exactly once, whatever breaks on the way?"
    )
    broken = [c.name for c, v in result.verdicts if v.outcome.value == "violated"]
    told = text(browser, "#findings")
    for name in broken:
        assert name in told
    assert "did not hold" in text(browser, "#verdict")
    assert text(browser, "#again pre") == result.command
    assert str(result.fingerprint) in text(browser, "#again")
    changed = {row.text.split()[0] for row in browser.find_elements(By.CSS_SELECTOR, "tr.set")}
    assert changed == {"dedup", *SMALL}
    assert len(browser.find_elements(By.CSS_SELECTOR, "#pictures svg")) == 3


def test_each_check_says_what_it_judged(browser, bad_page):
    path, result = bad_page
    opened(browser, path)
    rows = browser.find_elements(By.CSS_SELECTOR, "#checks tbody tr")
    assert len(rows) == len(result.verdicts) + len(result.expectations)
    held = next(v for c, v in result.verdicts if c.name == "every message takes a permitted way")
    row = next(row for row in rows if "every message takes a permitted way" in row.text)
    assert row.text.split()[:2] == ["held", f"{held.judged:,}"]


def test_a_document_is_shown_alone_with_the_messages_that_carried_it(browser, bad_page):
    path, result = bad_page
    opened(browser, path)
    everything = shown(browser)
    assert 0 < everything <= len(result.journal)
    assert inked(browser) > 20_000
    document = next(iter(result.journal.select("booked"))).subject
    one(browser, "#document").send_keys(document)
    alone = shown(browser)
    assert 10 < alone < everything / 4
    scroll = one(browser, "#scroll")
    seen = set()
    for _ in range(alone):
        scroll.send_keys(Keys.ARROW_DOWN)
        seen.add(re.sub(r"^#\d+ \S+ \S+ ", "", text(browser, "#chosen .here")))
    kinds = {line.split()[1] for line in seen}
    assert {"saved", "sent", "committed", "booked", "imported"} <= kinds
    assert any(line.startswith("erp: booked") for line in seen)
    one(browser, "#document").clear()
    one(browser, "#document").send_keys("nobody")
    assert shown(browser) == 0
    must_be_clean(browser)


def test_a_system_and_a_kind_can_be_chosen(browser, bad_page):
    path, _ = bad_page
    opened(browser, path)
    everything = shown(browser)
    one(browser, "#messages").click()
    doings = shown(browser)
    one(browser, "#messages").click()
    one(browser, "#doings").click()
    assert doings + shown(browser) == everything
    one(browser, "#doings").click()
    one(browser, "#actor option[value='0']").click()
    assert shown(browser) < everything
    heads = [head.text for head in browser.find_elements(By.CSS_SELECTOR, "#heads span")]
    assert heads[0] == "laptop-1"
    must_be_clean(browser)


def test_evidence_leads_to_its_event_and_on_along_the_causes(browser, bad_page):
    path, result = bad_page
    opened(browser, path)
    button = one(browser, "#findings button.event")
    number = int(button.get_attribute("data-event"))
    button.click()
    chain = result.journal.causes(number)
    assert text(browser, "#chosen .here").startswith(f"#{number} ")
    told = [int(line.split()[0][1:]) for line in chosen(browser)]
    before = told[: told.index(number)]
    assert before, "something led to it"
    assert set(before) <= {event.number for event in chain}
    assert before == sorted(before)
    browser.find_elements(By.CSS_SELECTOR, "#chosen button")[0].click()
    assert text(browser, "#chosen .here").startswith(f"#{before[0]} ")
    assert any(line.startswith(f"#{before[1]} ") for line in chosen(browser)) or len(before) == 1
    must_be_clean(browser)


def test_it_can_be_zoomed_and_drawn_to_scale(browser, bad_page):
    path, _ = bad_page
    opened(browser, path)

    def tall() -> float:
        return float(one(browser, "#height").size["height"])

    first = tall()
    one(browser, "#closer").click()
    assert tall() > first * 1.3
    one(browser, "#farther").click()
    one(browser, "#farther").click()
    assert tall() < first
    assert inked(browser) > 20_000
    one(browser, "#even").click()
    scale = tall()
    assert scale < first, "the whole run is in view"
    one(browser, "#closer").click()
    assert tall() > scale
    assert inked(browser) > 20_000
    must_be_clean(browser)


def test_a_click_on_the_diagram_chooses_what_is_there(browser, bad_page):
    path, _ = bad_page
    opened(browser, path)
    browser.execute_script("document.getElementById('sequence').scrollIntoView()")
    webdriver.ActionChains(browser).move_to_element_with_offset(
        one(browser, "#canvas"), 0, -100
    ).click().perform()
    assert len(chosen(browser)) >= 1
    must_be_clean(browser)


def test_twenty_thousand_events_can_be_scrolled_to_the_end(browser, tmp_path):
    path = tmp_path / "large.html"
    assert run_command(["run", BOOK, "--report", str(path)]) == 0
    opened(browser, path)
    assert "20,000 events (of " in text(browser, "#shown")
    scroll = one(browser, "#scroll")
    browser.execute_script("arguments[0].scrollTop = arguments[0].scrollHeight", scroll)
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0]))")
    assert inked(browser) > 20_000
    scroll.send_keys(Keys.ARROW_DOWN)
    scroll.send_keys(Keys.ARROW_UP)
    assert text(browser, "#chosen .here").startswith("#")
    assert path.stat().st_size < 4_000_000, "it goes into a mail"
    must_be_clean(browser)


@frozen
class Evil:
    note: str = setting(EVIL, EVIL)


@scenario(Evil, checks=ALL_CHECKS, metrics=lambda result: {EVIL: EVIL, "table": {EVIL: 1}})
async def evil(land: Landscape, settings: Evil) -> None:
    item = OrderItem(EVIL, 1, Decimal(1))
    order = SalesOrder("", f"1{EVIL}", "1", EVIL, (item,))
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    land.add_laptop(
        "laptop",
        gprs(dial_up=True),
        rep="1",
        station="station",
        habits=Habits(),
        diary=(DiaryEntry(hours(9), order),),
    )
    await land.run(days(2))


def test_texts_of_users_are_texts_and_never_code(browser, tmp_path):
    result = evil.run(seed=1, level=Level.MESSAGES)
    path = tmp_path / "evil.html"
    save_text(run_page(result, EVIL, "0"), path)
    opened(browser, path)
    assert browser.execute_script("return window.hacked") is None
    assert text(browser, "h1") == EVIL
    one(browser, "#document").send_keys(f"1{EVIL}")
    one(browser, "#scroll").send_keys(Keys.ARROW_DOWN)
    assert EVIL in text(browser, "#chosen .here")
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []


def test_a_run_without_deliveries_says_how_to_get_them(browser, tmp_path):
    story = load_scenario(BOOK)
    result = story.run(seed=1, **SMALL)
    path = tmp_path / "plain.html"
    save_text(run_page(result, story.doc, "0"), path)
    opened(browser, path)
    assert "--report FILE.html" in text(browser, "#sequence")
    assert browser.find_elements(By.ID, "canvas") == []
    assert "Everything held that was judged." in text(browser, "#verdict")


def test_the_events_of_a_page_stand_around_the_first_thing_that_was_wrong(bad_page):
    _, result = bad_page
    bad = result.first_bad_event.number
    told = events_as_json(result, most=100)
    numbers = [row[0] for row in told["events"]]
    assert len(numbers) == 100
    assert bad in numbers
    assert told["total"] == len(result.journal)
    assert MOST_EVENTS == 20_000
    every = events_as_json(result)
    for row in every["events"][::50]:
        event = result.journal.event(row[0])
        assert (every["actors"][row[2]], every["kinds"][row[3]]) == (event.actor, event.kind)
        assert every["subjects"][row[4]] == event.subject
        assert (row[1], row[5]) == (event.time_ns, event.cause)
    assert json.loads(json.dumps(every)) == json.loads(json.dumps(every))


def test_a_document_that_a_finding_names_is_kept_however_long_the_history(bad_page):
    _, result = bad_page
    names = {str(e.detail["guid"]): e.subject for e in result.journal.select("booked")}
    guid, reference = list(names.items())[-1]
    wrong = SimpleNamespace(
        journal=result.journal,
        findings=[f"every order is there: order {reference} is in the ERP 0 times"],
        first_bad_event=None,
    )
    found = chosen_events(wrong, 2_000, names)
    assert 1_500 < len(found) <= 2_000
    numbers = [event.number for event in found]
    assert numbers == sorted(numbers)
    its = {e.number for e in result.journal if e.detail.get("guid") == guid}
    assert its <= set(numbers)
    plain = SimpleNamespace(journal=result.journal, findings=[], first_bad_event=None)
    assert [e.number for e in chosen_events(plain, 50, names)] == list(range(1, 51))


def test_a_study_is_a_page_too(browser, tmp_path):
    store, page = tmp_path / "s.sqlite", tmp_path / "s.html"
    words = ["study", BOOK, "--vary", "loss=0%,30%", "--repeat", "3", "--jobs", "1"]
    pairs = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert run_command([*words, *pairs, "--store", str(store)]) == 0
    assert run_command(["report", str(store), "-o", str(page)]) == 0
    opened(browser, page)
    assert text(browser, "#verdict") == "All 6 runs held."
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#cells tbody tr")]
    assert [row.split()[1] for row in rows] == ["0%", "30%"]
    assert all("±" in row for row in rows)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#pictures svg")) >= 4
    run = tmp_path / "run.html"
    assert run_command(["report", f"{store}#2,3", "-o", str(run)]) == 0
    opened(browser, run)
    assert "seed 3" in text(browser, "header")
    assert shown(browser) > 100


def test_a_saved_run_is_run_again_for_its_page(browser, tmp_path):
    folder, page = tmp_path / "run", tmp_path / "p.html"
    pairs = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert run_command(["run", BOOK, *pairs, "--seed", "4", "--save", str(folder)]) == 0
    assert run_command(["report", str(folder), "-o", str(page)]) == 0
    opened(browser, page)
    assert "seed 4" in text(browser, "header")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("report", "nowhere.sqlite"), "nowhere.sqlite: no study"),
        (("report", "README.md"), "README.md: no study"),
        (("report", "scenarios"), "scenarios: holds no saved run"),
        (("run", BOOK, "--report", "nowhere/x.html"), "the folder nowhere does not exist"),
        (("run", BOOK, "--seeds", "1-3", "--report", "x.html"), "--report goes with one seed"),
    ],
)
def test_what_cannot_be_a_page_is_told_with_a_remedy(words, message, capsys):
    assert run_command(list(words)) == 2
    assert message in capsys.readouterr().err
