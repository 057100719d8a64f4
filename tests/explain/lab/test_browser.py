"""The lab in Chromium: by pointer, by keyboard, on a telephone."""

import jax
import numpy as np
import pytest

import jnn
from jnn.explain.lab.page import lab_page
from tests.explain.browser import (
    COLOURS,
    CUT,
    NAMELESS,
    chromium,
    colour_scheme,
    complaints,
    drawn,
    is_wider_than_the_screen,
    on_paper,
    pictures,
    printed_pictures,
    resize,
    text,
    violations,
    visited,
    wait,
)
from tests.explain.lab.subjects import brightness, classifier, deep, towers, writer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    subjects = {"classifier": classifier(), "writer": writer(), "towers": towers()}
    subjects |= {"deep": deep(), "brightness": brightness()}
    for name, subject in subjects.items():
        (folder / f"{name}.html").write_text(lab_page(subject), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def window():
    with chromium() as window:
        yield window


@pytest.fixture
def visit(window, pages):
    """Opens a page in a state; afterwards nothing may have been complained about."""

    def visit(name, state="", width=1400):
        address = f"{(pages / name).as_uri()}.html#{state}"
        ready = "return document.getElementById('time').textContent !== ''"
        return visited(window, address, width, ready)

    complaints(window)
    yield visit
    assert complaints(window) == []


def click(window, script):
    window.execute_script(f"{script}.click()")
    drawn(window)


@pytest.mark.parametrize("place", ["99:1:1", "2:99:1", "2:1:-1", "2:1:1:7", "2:a:1", "2:1"])
def test_an_address_of_no_number_looks_at_none(visit, place):
    window = visit("classifier", f"at=conv/output:{place}&off=conv/output:1:none")
    assert "Look closer" in text(window, "#inspector")
    assert "Undo all changes" not in text(window, "#inspector")
    assert all(map(str.isdecimal, text(window, "#answer .number").replace(".", "")))


def test_the_answer_is_that_of_the_model_and_follows_a_changed_channel(visit):
    window, subject = visit("classifier", "at=conv/output:2:1:1"), classifier()
    predict = lambda x: jax.nn.softmax(subject.model.apply(subject.params, subject.state, x)[0])
    expected = np.asarray(jax.jit(predict)(subject.examples.inputs[0].x))
    shown = (
        "return [...document.querySelectorAll('#answer .number')].map((n) => Number(n.textContent))"
    )
    np.testing.assert_allclose(window.execute_script(shown), expected, atol=1e-3)
    before = window.execute_script(shown)
    click(window, "document.querySelector('#inspector .control button')")
    assert window.execute_script(shown) != before
    assert "off=conv%2Foutput%3A2%3A0" in window.current_url
    assert "Σ w x + b" not in text(window, "#inspector .how")
    click(
        window,
        "[...document.querySelectorAll('button')].find((b) => b.textContent.includes('Undo'))",
    )
    assert window.execute_script(shown) == before
    assert "Σ w x + b" in text(window, "#inspector .how")


def test_a_picture_is_drawn_with_the_pointer_and_the_slider_goes_through_training(visit):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    window = visit("classifier")
    answer = text(window, "#answer")
    click(window, "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Clear')")
    blank = text(window, "#answer")
    pen = window.find_element(By.CSS_SELECTOR, "canvas.pen")
    ActionChains(window).move_to_element(pen).click_and_hold().move_by_offset(
        30, 40
    ).release().perform()
    wait(window, f"return document.querySelector('#answer').textContent !== {blank!r}")
    mine, state = text(window, "#answer .bars"), window.current_url.partition("#")[2]
    visit("classifier", state)
    assert text(window, "#answer .bars") == mine
    click(window, "document.querySelector('.examples button')")
    assert text(window, "#answer") == answer
    slider = "const slider = document.getElementById('moment'); slider.value = 0;"
    window.execute_script(f"{slider} slider.dispatchEvent(new Event('input'))")
    wait(window, f"return document.querySelector('#answer').textContent !== {answer!r}")
    assert "moment=0" in window.current_url


def test_the_keyboard_goes_from_number_to_number(visit):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    window = visit("classifier")
    window.execute_script("document.querySelector('#walk canvas').focus()")
    ActionChains(window).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN).perform()
    wait(window, "return document.querySelector('#inspector .large') !== null")
    assert "channel 0, row 1, column 1" in text(window, "#inspector")
    assert "Its gradient to the input" in text(window, "#inspector")
    click(window, "document.querySelector('#inspector .close')")
    assert "Look closer" in text(window, "#inspector")
    window.execute_script("document.querySelector('#walk canvas').focus()")
    ActionChains(window).send_keys(Keys.ENTER, Keys.ESCAPE).perform()
    assert "Look closer" in text(window, "#inspector")


def test_a_text_is_typed_and_the_model_writes_on(visit):
    from selenium.webdriver.common.by import By

    window = visit("writer")
    area = window.find_element(By.TAG_NAME, "textarea")
    area.clear()
    area.send_keys("hadebc")
    wait(window, "return document.querySelectorAll('.tokens .token').length === 6")
    wait(window, "return location.hash.includes('x=hadebc')")
    click(
        window, "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Write on')"
    )
    wait(window, "return document.querySelector('textarea').value.length > 15")
    assert window.execute_script("return document.querySelector('textarea').value")[:6] == "hadebc"
    assert window.execute_script("return document.querySelectorAll('.token.unread').length") > 0
    by_step, by_window = window.execute_async_script("""
      const [done] = arguments;
      const next = document.querySelector("#answer [aria-live]");
      const shares = () => [...next.querySelectorAll(".number")].map((n) => Number(n.textContent));
      const stop = [...document.querySelectorAll("button")].find((b) => b.textContent === "Stop");
      new MutationObserver((_, observer) => {
        observer.disconnect();
        const shown = shares();
        stop.click();
        done([shown, shares()]);
      }).observe(next, { childList: true });
    """)
    np.testing.assert_allclose(by_step, by_window, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "control", "told"),
    [
        ("classifier", "button.name", "Of the class “a”"),
        ("writer", "button.name", "Of the next token “"),
        ("towers", "canvas", "tanh(a · b)"),
        ("brightness", "button.number", "How this number is made"),
    ],
)
def test_the_numbers_of_the_answer_lead_to_what_they_are_made_of(visit, name, control, told):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    window = visit(name)
    window.execute_script(f"document.querySelector('#answer {control}').focus()")
    ActionChains(window).send_keys(Keys.ENTER).perform()
    wait(window, "return document.querySelector('#inspector .large') !== null")
    number = text(window, "#inspector .large")
    assert told in text(window, "#inspector")
    focused = f"return document.activeElement.matches('#answer {control}')"
    assert window.execute_script(focused)
    visit(name, window.current_url.partition("#")[2])
    assert text(window, "#inspector .large") == number
    click(window, "document.querySelector('#inspector .how button.link')")
    assert "/output" in text(window, "#inspector h2")


def test_the_gradient_to_each_of_several_arrays_has_its_name(visit):
    window, subject = visit("towers", "at=left/hidden/output:0:0:1"), towers()
    names = "[...document.querySelectorAll('#inspector .how h4')].map((n) => n.textContent)"
    assert window.execute_script(f"return {names}") == ["0", "1"]
    cells = "[...document.querySelectorAll('#inspector .how h4 + table')]"
    rows = f"return {cells}.map((t) => [...t.querySelectorAll('td')].map((n) => n.textContent))"
    first, second = window.execute_script(rows)
    kernel = subject.params["left"]["hidden"]["kernel"][:, 1]
    shown = sorted(float(number.replace("−", "-")) for number in first)
    np.testing.assert_allclose(shown, sorted(kernel), rtol=1e-2)
    assert second == ["0"] * 5


@pytest.mark.parametrize("name", ["classifier", "towers", "writer", "deep"])
def test_nothing_scrolls_sideways_on_a_telephone_and_all_controls_have_names(visit, name):
    window = visit(name, width=390)
    assert not is_wider_than_the_screen(window)
    assert window.execute_script(NAMELESS) == []
    window.execute_script("document.querySelector('#walk canvas').click()")
    assert not is_wider_than_the_screen(window)


@pytest.mark.parametrize("name", ["classifier", "towers", "writer", "deep"])
def test_on_paper_all_is_there_and_dark_on_white(visit, name):
    window = visit(name)
    on_paper(window)
    assert window.execute_script(CUT) == []
    assert window.execute_script(COLOURS) == ["rgb(255, 255, 255)", "rgb(31, 36, 48)"]
    colour_scheme(window, "light")


@pytest.mark.parametrize("name", ["classifier", "writer"])
def test_pictures_of_a_dark_page_are_light_on_paper(visit, name):
    window = visit(name)
    light = pictures(window)
    colour_scheme(window, "dark")
    dark = pictures(window)
    assert dark != light
    assert printed_pictures(window) == light
    assert pictures(window) == dark
    colour_scheme(window, "light")


@pytest.mark.parametrize("name", ["classifier", "towers", "writer", "deep"])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_wrong(visit, name, dark):
    long_text = "x=hadebcgfhadebcgfhadebcgf&at=lstm/hidden:0:2:5"
    window = visit(name, long_text if name == "writer" else "")
    colour_scheme(window, "dark" if dark else "light")
    if name != "writer":
        window.execute_script("document.querySelector('#walk canvas').click()")
    drawn(window)
    assert violations(window) == []


def test_a_gradient_of_zero_is_said_to_be_zero_and_paths_break_after_slashes(visit):
    subject = classifier()
    predict = jnn.capture(lambda x: subject.model.apply(subject.params, subject.state, x)[0])
    relu = np.asarray(predict(subject.examples.inputs[0].x)[1]["relu/output"])
    for is_zero in (True, False):
        row, column, channel = np.argwhere((relu == 0) == is_zero)[0]
        window = visit("classifier", f"at=relu/output:{channel}:{row}:{column}")
        assert (text(window, "#inspector .large") == "0") == is_zero
        assert ("zero everywhere" in text(window, "#inspector .how")) == is_zero
        assert text(window, "#inspector h2") == "relu/output"
        assert window.execute_script("return !!document.querySelector('#inspector h2 wbr')")


def test_branches_are_side_by_side_where_there_is_room_and_edges_lead_to_them(visit):
    window = visit("towers")
    tops = "[...document.querySelectorAll('.branches > .box')].map((node) => node.offsetTop)"
    left, right = window.execute_script(f"return {tops}")
    assert left == right
    wait(window, "return document.querySelectorAll('#walk > .flow > .edges path').length >= 4")
    window = visit("towers", width=390)
    left, right = window.execute_script(f"return {tops}")
    assert left < right
    wait(window, "return document.querySelectorAll('.wrapped').length === 1")
    resize(window, 1280, 1000)
    wait(window, "return document.querySelectorAll('.wrapped').length === 0")
    left, right = window.execute_script(f"return {tops}")
    assert left == right


def test_a_copy_of_a_repeated_part_is_chosen_and_changed_alone(visit):
    window = visit("deep", "at=blocks/body/tanh/output:0:0:2:1")
    assert "copy 2 of 3" in text(window, "#inspector")
    picked = "return document.querySelector('#walk select').value"
    assert window.execute_script(picked) == "1"
    click(window, "document.querySelector('#inspector .control button')")
    assert "off=blocks%2Fbody%2Ftanh%2Foutput%3A6%3A0" in window.current_url
    assert "unit 2 of copy 2" in text(window, "#inspector")
    click(window, "document.querySelector('#inspector .control input[type=checkbox]')")
    click(window, "document.querySelector('#inspector .control button')")
    click(window, "document.querySelector('#inspector .control button')")
    assert window.execute_script("return document.querySelectorAll('#inspector li').length") == 3
