"""The page in Chromium: by pointer, by keyboard, on a telephone."""

import json
import re

import pytest

from jnn.explain.playground import playground
from jnn.explain.playground.lessons import lesson_texts, states
from tests.explain.browser import (
    NAMELESS,
    chromium,
    colour_scheme,
    complaints,
    drawn,
    is_wider_than_the_screen,
    pictures,
    printed_pictures,
    text,
    violations,
    visited,
    wait,
)
from tests.explain.playground.engine import trainer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "playground.html"
    path.write_text(playground())
    return path.as_uri()


@pytest.fixture(scope="module")
def window():
    with chromium() as window:
        yield window


@pytest.fixture
def visit(window, address):
    """Opens the page in a state; afterwards nothing may have been complained about."""

    def visit(state="", width=1400):
        ready = "return document.querySelector('#views button') !== null"
        return visited(window, f"{address}#{state}", width, ready)

    complaints(window)
    yield visit
    assert complaints(window) == []


def press(window, selector):
    window.find_element("css selector", selector).click()


def test_losses_of_the_page_are_those_of_the_programs(visit):
    window = visit("layers=3&batch=20&seed=4&momentum=0.5")
    for _ in range(6):
        press(window, "#play-step")
    drawn(window)
    shown = float(re.search(r"[\d.]+", text(window, "#curve .train"))[0])
    expected = trainer()("""(() => {
      const t = make({ layers: "3", batch: 20, seed: 4, momentum: 0.5 });
      for (let i = 0; i < 6; i++) t.step();
      return t.record().train.loss;
    })()""")
    assert shown == round(expected, 3)
    assert text(window, "#play-count") == "epoch 1, step 1 of 5"


def test_it_trains_by_keyboard_alone(visit):
    from selenium.webdriver import ActionChains, Keys

    window = visit("set=clusters&layers=&rate=0.1")
    keys = lambda *keys: ActionChains(window).send_keys(*keys).perform()
    focused = "return document.activeElement.id"
    keys(Keys.TAB, Keys.ENTER)  # the link that skips to the stage
    assert window.execute_script(focused) == "play"
    keys(Keys.ENTER)
    wait(window, "return !document.querySelector('#play-count').textContent.startsWith('epoch 0')")
    keys(Keys.ENTER)
    assert text(window, "#play") == "▶ Train"
    keys(Keys.TAB, Keys.TAB, Keys.TAB)
    assert window.execute_script(focused) == "play-again"
    keys(Keys.ENTER)
    drawn(window)
    assert text(window, "#play-count").startswith("epoch 0, step 0")


def test_what_is_set_is_in_the_address_and_comes_back(visit, address):
    window = visit()
    press(window, "#more-layers")
    press(window, "#more-0")
    press(window, "#feature-xy")
    window.execute_script("""
      const select = document.getElementById("activation-1");
      select.value = "relu";
      select.dispatchEvent(new Event("change"));
    """)
    state = window.current_url.partition("#")[2]
    assert "layers=5,2,2" in state
    assert "features=x,y,xy" in state
    assert "activation=tanh,relu,tanh" in state
    window = visit(state)
    count = "return document.querySelectorAll('#neurons .unit').length"
    assert window.execute_script(count) == 8 + 5 + 2 + 2
    on = "return document.querySelectorAll('#neurons [aria-pressed=true]').length"
    assert window.execute_script(on) == 3


def test_points_are_drawn_and_pasted(visit):
    from selenium.webdriver import ActionChains

    window = visit("set=own")
    picture = window.find_element("css selector", ".points")
    ActionChains(window).move_to_element_with_offset(picture, 40, -30).click().perform()
    press(window, "#drawn-blue")
    ActionChains(window).move_to_element_with_offset(picture, -40, 30).click().perform()
    points = [point.split(",") for point in window.current_url.split("own=")[-1].split(";")]
    assert [point[2] for point in points] == ["1", "-1"]
    assert float(points[0][0]) > 0 > float(points[1][0])
    assert text(window, ".legend .test") == "test: no points yet"
    box = window.find_element("css selector", "#table")
    box.send_keys("a,b,kind\n1,2,x\n3,4\n")
    press(window, "#use")
    assert "Row 3" in text(window, "#own .message")
    box.clear()
    box.send_keys("\n".join(f"{i},{i * i},{'xy'[i % 2]}" for i in range(8)))
    press(window, "#use")
    assert "y is orange, x is blue" in text(window, "#own .message")
    assert window.current_url.count(";") == 7


def test_other_views_run(visit):
    window = visit("view=descent&surface=valley&rate=0.1")
    told = lambda a, b: f"a = −{abs(a):.2f}, b = {b:.2f}, loss {a**2 / 20 + b**2:.4f}"
    assert told(-2.2, 1.6) in text(window, ".runs li")
    for _ in range(3):
        press(window, "#descend-step")
    assert text(window, "#descend-count") == "step 3"
    assert told(-2.2 * (1 - 0.1 / 10) ** 3, 1.6 * (1 - 0.1 * 2) ** 3) in text(window, ".runs li")
    press(window, "#view-gan")
    press(window, "#game-step")
    assert text(window, "#game-count") == "step 1"
    assert "discriminator" in text(window, "#gan .legend")


@pytest.mark.parametrize(
    ("state", "name"), [("", "play"), ("view=descent", "descend"), ("view=gan", "game")]
)
def test_a_dark_page_is_light_on_paper_and_training_goes_on_from_where_it_was(visit, state, name):
    window = visit(state)
    for _ in range(3):
        press(window, f"#{name}-step")
    drawn(window)
    light, count = pictures(window), text(window, f"#{name}-count")
    assert "step 3" in count
    colour_scheme(window, "dark")
    dark = pictures(window)
    assert dark != light
    assert printed_pictures(window) == light
    drawn(window)
    assert pictures(window) == dark
    assert text(window, f"#{name}-count") == count
    colour_scheme(window, "light")


@pytest.mark.parametrize("width", [390, 1400])
def test_every_lesson_fits_and_every_control_has_a_name(visit, width):
    window = visit("", width)
    for number, lesson in enumerate(lesson_texts(), 1):
        for state in states(lesson):
            window.execute_script(f"location.hash = {json.dumps('#' + state)}")
            drawn(window)
            assert not is_wider_than_the_screen(window), state
            assert window.execute_script(NAMELESS) == []
        title = f"return document.querySelector('[data-lesson=\"{number}\"] h2').offsetParent"
        assert window.execute_script(title) is not None


VIEWS = (
    "lesson=6&set=xor&layers=2&numbers=1",
    "lesson=3&set=bump&features=x&layers=2&loss=squared",
    "set=own",
    "lesson=5&view=descent",
    "view=gan",
)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_wrong(address, dark):
    with chromium(dark=dark) as window:
        for state in VIEWS:
            window.get("about:blank")
            window.get(f"{address}#{state}")
            wait(window, "return document.querySelector('#views button') !== null")
            drawn(window)
            assert violations(window) == [], state


def test_lines_and_tables_show_gradients(visit):
    window = visit("layers=3&lines=gradients&set=xor")
    press(window, "#weights-summary")
    drawn(window)
    cells = "return [...document.querySelectorAll('#weights td')].map((cell) => cell.textContent)"
    numbers = [cell for cell in window.execute_script(cells) if cell]
    assert len(numbers) == 3 * 3 + 3 + 1
    state = json.dumps({"layers": "3", "set": "xor"})
    bias = trainer()(f"make({state}).gradients()['out/bias'][0]")
    assert float(numbers[-1].replace("−", "-")) == pytest.approx(bias, rel=0.01)
    title = "return document.querySelector('.lines path title').textContent"
    assert window.execute_script(title).startswith("gradient ")


def test_a_term_opens_its_definition(visit):
    window = visit("lesson=8")
    press(window, '[popovertarget="term-overfitting"]')
    open_now = "return document.querySelector('#term-overfitting').matches(':popover-open')"
    assert window.execute_script(open_now)
    assert "overfitting" in text(window, "#term-overfitting")


def test_steps_that_are_too_large_are_said(visit):
    window = visit("set=slope&loss=squared&layers=&rate=10&features=x²,y²")
    press(window, "#play")
    wait(
        window, "return document.querySelector('#message').textContent.includes('no longer finite')"
    )
    assert text(window, "#play") == "▶ Train"
    choose = "const rate = document.querySelector('#training-controls-rate'); rate.value = 0.001;"
    window.execute_script(f"{choose} rate.dispatchEvent(new Event('change'));")
    assert text(window, "#message") == ""
