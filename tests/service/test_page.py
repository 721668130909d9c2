"""The pages in a real browser: nothing else is contacted, nothing complains, and one can try a garment on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from models.errors import NoPerson
from models.images import encode
from models.samples import packshot_names, sample_people
from service.api.samples import OFFERS
from tests.fakes import FakeEngine, marked
from tests.service.chromium import Browser, Tab, chromium, chromium_program
from tests.service.conftest import drawn
from tests.service.servers import serving

pytestmark = pytest.mark.skipif(chromium_program() is None, reason="no Chromium is installed: apt-get install chromium")

FIRST_GARMENT = "document.querySelector('#tops .tile:not(.upload, .keep) input')"
IDLE = "!document.querySelector('#stage').hasAttribute('aria-busy')"
STATE = "document.querySelector('#stage').dataset.state"
SHOWN = "parseFloat(document.querySelector('#frame').style.getPropertyValue('--shown'))"


@dataclass(frozen=True)
class Screen:
    width: int
    height: int
    phone: bool


SCREENS = {"desktop": Screen(1280, 860, phone=False), "phone": Screen(390, 844, phone=True)}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(FakeEngine()) as address:
        yield address


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest) -> Screen:
    return SCREENS[request.param]


def opened(browser: Browser, url: str, screen: Screen) -> Tab:
    tab = browser.open()
    tab.show(url, screen.width, screen.height, phone=screen.phone)
    return tab


def assert_well_behaved(tab: Tab, address: str) -> None:
    assert tab.console == []
    hosts = {urlsplit(url).netloc for url in tab.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {urlsplit(address).netloc}


def own_photo(tab: Tab, folder: Path, picture: np.ndarray) -> None:
    path = folder / "me.png"
    path.write_bytes(encode(picture, "png"))
    tab.choose_file("#photo-file", path)


def test_a_photo_and_a_garment_become_a_result(browser: Browser, address: str, screen: Screen, tmp_path: Path) -> None:
    tab = opened(browser, address, screen)
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, drawn(screen.width, 400, 300))
    tab.wait_for(f"{STATE} === 'person'")
    tab.evaluate(f"{FIRST_GARMENT}.click()")
    tab.wait_for(f"{STATE} === 'done'")
    assert tab.evaluate("document.querySelector('#after').naturalWidth") == 300
    assert tab.evaluate("document.querySelector('#after').getBoundingClientRect().height") > 150
    assert "Dressed in" in tab.evaluate("document.querySelector('#says').textContent")
    assert tab.evaluate("document.querySelectorAll('#stages dt').length") >= 2
    assert tab.evaluate("document.querySelector('#download').href").startswith("data:image/jpeg;base64,")
    assert tab.evaluate("document.documentElement.scrollWidth") == screen.width  # nothing hangs out at the side
    assert_well_behaved(tab, address)


def test_a_sample_person_is_there_at_once(browser: Browser, address: str, screen: Screen) -> None:
    tab = opened(browser, address, screen)
    tab.wait_for(f"{STATE} === 'person'")
    assert sample_people()[0].credit in tab.evaluate("document.querySelector('#credit').textContent")
    tab.evaluate(f"{FIRST_GARMENT}.click()")
    tab.wait_for(f"{STATE} === 'done'")
    assert_well_behaved(tab, address)


def test_a_top_and_a_lower_garment_make_an_outfit(browser: Browser, address: str, screen: Screen, tmp_path: Path) -> None:
    tab = opened(browser, address, screen)
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, drawn(6, 400, 300))
    for name in ("polo", "skirt"):
        tab.evaluate(f"document.querySelector('input[value={name}]').click()")
        tab.wait_for(f"document.querySelector('#after').alt.includes('{name.capitalize()}') && {IDLE}")
    assert tab.evaluate("document.querySelector('#after').alt").endswith("wearing: Skirt, Polo")  # inner to outer
    assert tab.evaluate("document.querySelector('.confidence').textContent").startswith("Confidence: good, 80\u00a0%.")
    for box in ("tops", "bottoms"):
        tab.evaluate(f"document.querySelector('#{box} .keep input').click()")
    tab.wait_for(f"{STATE} === 'person' && document.querySelector('#after').hidden")
    assert_well_behaved(tab, address)


def test_of_a_garment_of_ones_own_one_can_say_what_it_is(browser: Browser, address: str, tmp_path: Path) -> None:
    tab = opened(browser, address, SCREENS["desktop"])
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, drawn(7, 400, 300))
    path = tmp_path / "mine.png"
    picture = drawn(8, 300, 100)  # the fake takes it for trousers
    picture[0, 0] = 9  # and has something to say about it
    path.write_bytes(encode(picture, "png"))
    tab.choose_file("#top-file", path)
    tab.wait_for(f"{STATE} === 'done' && {IDLE}")
    assert tab.evaluate("[...document.querySelectorAll('#says li')].map((line) => line.textContent)") == [
        "mine was taken for trousers, shorts or a skirt.",
        "mine: The ground is hardly seen.",
    ]
    tab.evaluate("document.querySelector('input[value=chinos]').click()")
    tab.wait_for("!document.querySelector('#problem').hidden")
    assert "lower and lower" in tab.evaluate("document.querySelector('#problem').innerText")
    tab.evaluate("(s => { s.value = 'upper'; s.dispatchEvent(new Event('change')); })(document.querySelector('#category'))")
    tab.wait_for(f"{STATE} === 'done' && {IDLE}")
    assert tab.evaluate("document.querySelectorAll('#says li').length") == 1


def test_the_slider_moves_by_pointer_and_by_key(browser: Browser, address: str, screen: Screen, tmp_path: Path) -> None:
    tab = opened(browser, address, screen)
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, drawn(2, 400, 300))
    tab.evaluate(f"{FIRST_GARMENT}.click()")
    tab.wait_for(f"{STATE} === 'done' && {SHOWN} === 72")
    box = tab.evaluate("(r => [r.left, r.top, r.width, r.height])(document.querySelector('#frame').getBoundingClientRect())")
    left, top, width, height = box
    tab.drag((left + 0.72 * width, top + height / 2), (left + 0.25 * width, top + height / 2))
    tab.wait_for(f"Math.abs({SHOWN} - 25) <= 1")
    handle = tab.evaluate("document.querySelector('.handle').getBoundingClientRect().left")
    assert handle == pytest.approx(left + 0.25 * width, abs=5)
    tab.evaluate("document.querySelector('#slider').focus()")
    before = tab.evaluate(SHOWN)
    tab.press("ArrowRight", 39)
    tab.wait_for(f"{SHOWN} === {before + 1}")
    assert tab.evaluate("document.querySelector('#slider').getAttribute('aria-valuetext')").startswith(f"{before + 1:.0f} per cent")


def test_an_error_is_told_in_plain_words_and_the_next_try_works(browser: Browser, address: str, screen: Screen, tmp_path: Path) -> None:
    tab = opened(browser, address, screen)
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, marked(drawn(3, 400, 300), NoPerson))
    tab.evaluate(f"{FIRST_GARMENT}.click()")
    tab.wait_for("!document.querySelector('#problem').hidden")
    text = tab.evaluate("document.querySelector('#problem').innerText")
    assert text.startswith("No person found")
    assert "facing the camera" in text
    assert tab.console == [
        f"Failed to load resource: the server responded with a status of 422 (Unprocessable Entity) {address}/v1/try-ons"
    ]
    own_photo(tab, tmp_path, drawn(4, 400, 300))
    tab.wait_for(f"{STATE} === 'done' && document.querySelector('#problem').hidden")


def test_garments_can_be_chosen_by_keyboard_alone(browser: Browser, address: str, tmp_path: Path) -> None:
    tab = opened(browser, address, SCREENS["desktop"])
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    own_photo(tab, tmp_path, drawn(5, 400, 300))
    tab.wait_for(f"{STATE} === 'person'")
    tab.evaluate(f"{FIRST_GARMENT}.focus()")
    tab.press("ArrowRight", 39)
    tab.wait_for(f"{STATE} === 'done'")
    assert tab.evaluate("document.activeElement.value") == OFFERS[1].name


def test_a_photo_can_be_dropped_on_the_stage(browser: Browser, address: str) -> None:
    tab = opened(browser, address, SCREENS["desktop"])
    tab.wait_for("document.querySelectorAll('#tops .tile:not(.upload, .keep)').length > 3")
    tab.evaluate(f"{FIRST_GARMENT}.click()")
    tab.evaluate("""(async () => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 300, height: 400});
        const blob = await new Promise((done) => canvas.toBlob(done));
        const data = new DataTransfer();
        data.items.add(new File([blob], 'dropped.png', {type: 'image/png'}));
        document.querySelector('#stage').dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
    })()""")
    tab.wait_for(f"{STATE} === 'done'")


def test_the_documentation_works_without_the_internet(browser: Browser, address: str, screen: Screen) -> None:
    tab = opened(browser, f"{address}/schema", screen)
    tab.wait_for("document.querySelectorAll('.opblock').length >= 3")
    tab.evaluate("document.querySelector('.opblock-post .opblock-summary-control').click()")
    tab.wait_for("document.querySelector('input[type=file]') !== null")
    assert "Overloaded" in tab.evaluate("document.querySelector('.opblock-post').innerText")
    tab.console = [
        line for line in tab.console if "component: JsonSchema_" not in line
    ]  # Swagger UI tells itself which widget it falls back to
    assert_well_behaved(tab, address)


def test_a_problem_page_reads_well(browser: Browser, address: str, screen: Screen) -> None:
    tab = opened(browser, f"{address}/problems/no-person", screen)
    assert "facing the camera" in tab.evaluate("document.body.innerText")
    assert_well_behaved(tab, address)


def test_every_offered_garment_exists(address: str) -> None:
    assert {offer.name for offer in OFFERS} <= set(packshot_names())
    thumbnail = httpx.get(f"{address}/samples/garments/{OFFERS[0].name}/thumbnail", timeout=30)
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert httpx.get(f"{address}/samples/garments/nothing").status_code == 404
    assert httpx.get(f"{address}/samples/people/nobody").status_code == 404
