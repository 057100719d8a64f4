import py_mini_racer
import pytest

from jnn.errors import JnnError
from jnn.explain.scripts.bundle import bundle, embedded


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_modules_come_after_those_that_they_import_and_once(write):
    write("base.js", "export const three = 3;\n")
    write("twice.js", 'import { three } from "./base.js";\nexport const six = 2 * three;\n')
    entry = write(
        "entry.js",
        'import { three } from "./base.js";\nimport {\n  six,\n} from "./twice.js";\n'
        "export function sum() {\n  return three + six;\n}\n",
    )
    assert py_mini_racer.MiniRacer().eval(f"{bundle(entry)}; sum()") == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import { a } from "./gone.js";\n', "gone.js"),
        ('import a from "./base.js";\n', "import a"),
        ("export default 3;\n", "export default"),
        ('import { a } from "./base.js";\nconst a = 1;\n', "two declarations of a"),
        ('import { a } from "./entry.js";\n', "entry.js imports entry.js"),
    ],
)
def test_what_cannot_be_bundled_is_refused(write, text, message):
    write("base.js", "export const a = 3;\n")
    with pytest.raises(JnnError, match=message):
        bundle(write("entry.js", text))


def test_a_script_cannot_end_its_element():
    text = 'const s = "<!-- </script>";'
    assert "</script" not in embedded(text)
    assert "<!--" not in embedded(text)
    assert py_mini_racer.MiniRacer().eval(f"{embedded(text)}; s") == "<!-- </script>"
