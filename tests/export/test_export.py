"""An exported folder answers as the model does, without jnn; one that does not is not kept."""

import json
import runpy
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import jax
import numpy as np
import pytest

import jnn
from jnn.data.tokenizers import byte_pair_tokenizer, character_tokenizer, word_tokenizer
from jnn.errors import JnnError
from jnn.export import export, program_of
from jnn.export.checks import check_same, run_script
from jnn.export.stablehlo import Sizes, stablehlo
from jnn.export.texts import write_texts
from jnn.export.web import run_javascript, write_web
from jnn.train import Preparation
from tests.explain.browser import chromium, wait
from tests.trained import NAMED, loaded, loaded_of, shaped

SAME = 1e-5  # float32, whose sums a compiler takes in its order


def in_process(script, inputs):
    """The outputs of ``predict.py``, in this process, where it cannot import jnn either."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("jnn", "experiments"):
            patch.setitem(sys.modules, name, None)
        names = runpy.run_path(str(script))
        if "encode" in names:
            return names["encode"](inputs["texts"].tolist())
        outputs = names["predict"](**inputs)
    return {name: np.asarray(value) for name, value in outputs.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Scripts run in this process: another one takes seconds to import JAX."""
    monkeypatch.setattr("jnn.export.folder.run_script", in_process)


def test_rows_in_their_own_units_become_numbers_in_that_of_the_target(tmp_path):
    model = loaded("rows")
    folder = export(model, tmp_path / "rows", title="A table")
    rows = np.random.default_rng(1).normal([10, -4], [2, 0.5], (5, 2)).astype(np.float32)
    found = in_process(folder / "predict.py", {"x": rows})
    np.testing.assert_allclose(found["prediction"], model.predict(rows), rtol=SAME)
    config = json.loads((folder / "config.json").read_text())
    assert config["inputs"] == {"x": {"shape": ["batch", 2], "dtype": "float32"}}
    assert (config["columns"], config["unit"]) == (["width", "depth"], "kg")
    assert config["platforms"] == ["cpu", "cuda", "tpu"]
    text = (folder / "README.md").read_text()
    assert text.startswith("# A table\n")
    assert "The columns are width, depth. `prediction` is in kg." in text


def test_what_was_altered_and_inputs_that_do_not_fit_are_refused_without_jnn(tmp_path):
    model = loaded("rows")
    folder = export(model, tmp_path / "rows")
    rows = np.array([[10, -4], [11, -3]])
    names = runpy.run_path(str(folder / "predict.py"))
    found = names["predict"](x=rows)["prediction"]  # integers are numbers of the table too
    np.testing.assert_allclose(found, model.predict(rows), rtol=SAME)
    for inputs, message in {
        "wrong name": ({"rows": rows}, "got the arrays rows, expected x"),
        "no batch": ({"x": rows[0]}, r"x: got shape \(2,\), expected \(batch, 2\)"),
        "other columns": ({"x": rows[:, :1]}, r"x: got shape \(2, 1\), expected \(batch, 2\)"),
        "no rows": ({"x": rows[:0]}, r"x: got shape \(0, 2\), expected \(batch, 2\)"),
        "words": ({"x": rows.astype(str)}, "x: got <U21, expected float32"),
    }.values():
        with pytest.raises(ValueError, match=message):
            names["predict"](**inputs)
    for name in ("model.stablehlo", "model.safetensors"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match=f"{name}: got an altered file, expected the one"):
            in_process(folder / "predict.py", {"x": rows})
        (folder / name).write_bytes(content)


def test_a_large_mean_loses_no_digits():
    scaling = NAMED["scaling"]._replace(mean=np.array([123456.789, -4.0]))
    preparation = loaded("rows").preparation._replace(scaling=scaling)
    model = loaded("rows")._replace(preparation=preparation)
    program = program_of(model)
    x = np.array([[123456.75, -4.0]], np.float32)
    found = jax.jit(program.call)(program.weights, {"x": x})
    np.testing.assert_allclose(found["prediction"], model.predict(x), rtol=SAME)


def test_pictures_as_bytes_become_probabilities_by_convolutions_of_any_batch(tmp_path):
    convolutional = jnn.chain(jnn.conv(2, (3, 3)), jax.nn.relu, jnn.flatten(3), jnn.dense(2))
    preparation = Preparation(shaped(4, 5, 1), pixels=True, classes=("cat", "dog"))
    model = loaded_of(convolutional, preparation)
    folder = export(model, tmp_path / "pictures")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 1), np.uint8)
    found = in_process(folder / "predict.py", {"x": pixels})
    expected = model.predict(pixels).probabilities
    np.testing.assert_allclose(found["probabilities"], expected, atol=SAME)
    assert json.loads((folder / "config.json").read_text())["classes"] == ["cat", "dog"]


def test_texts_of_any_length(tmp_path):
    model = loaded("texts")
    folder = export(model, tmp_path / "texts")
    texts = ["so good", "so bad a thing"]
    tokens, mask = model.preparation.encode(texts)
    found = in_process(folder / "predict.py", {"tokens": tokens, "mask": mask})
    expected = model.predict(texts).probabilities
    np.testing.assert_allclose(found["probabilities"], expected, atol=SAME)
    text = (folder / "README.md").read_text()
    assert "`length` from 1 to 5." in text
    assert "from texts import encode" in text
    encoded = in_process(folder / "texts.py", {"texts": np.array(texts)})
    np.testing.assert_array_equal(encoded["tokens"], tokens)
    np.testing.assert_array_equal(encoded["mask"], mask)
    predict = runpy.run_path(str(folder / "predict.py"))["predict"]
    with pytest.raises(ValueError, match=r"got shape \(1, 6\), expected .*, length from 1 to 5"):
        predict(tokens=np.ones((1, 6), np.int32), mask=np.ones((1, 6), bool))
    with pytest.raises(
        ValueError, match=r"tokens \(2, \d\), mask \(1, \d\), expected the same bat"
    ):
        predict(tokens=tokens, mask=mask[:1])
    encode = runpy.run_path(str(folder / "texts.py"))["encode"]
    assert encode("so good")["tokens"].tolist() == encode(["so good"])["tokens"].tolist()
    with pytest.raises(ValueError, match="got '', expected texts with a token or more"):
        encode(["so good", ""])


TOKENIZERS = {
    "characters": character_tokenizer("so good", special=("padding", "unknown")),
    "characters, all known": character_tokenizer("so good"),
    "words": word_tokenizer(["So good!", "so bad"], special=("unknown", "padding")),
    "byte pairs": byte_pair_tokenizer("so good " * 9, vocabulary=260, special=("padding",)),
}


@pytest.mark.parametrize("sizes", [Sizes(None, 16, None), Sizes(None, 1, 4), Sizes()])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_become_the_same_tokens(tmp_path, name, sizes):
    example = shaped(6, dtype=np.int32)
    preparation = Preparation(example, tokenizer=TOKENIZERS[name], longest=sizes.most)
    write_texts(tmp_path, preparation, sizes, in_process)
    texts = ["so good so good so good", "so"]
    found = in_process(tmp_path / "texts.py", {"texts": np.array(texts)})
    most = sizes.most or (6 if sizes.least is None else None)
    expected = [TOKENIZERS[name].encode(text)[:most].tolist() for text in texts]
    rows = zip(found["tokens"], found["mask"], strict=True)
    assert [tokens[mask].tolist() for tokens, mask in rows] == expected
    length = 6 if sizes.least is None else max(sizes.least, *map(len, expected))
    assert found["tokens"].shape == (2, length)


def test_other_tokens_are_refused(tmp_path):
    preparation = loaded("texts").preparation
    run = lambda script, inputs: {"tokens": np.zeros((3, 5)), "mask": np.ones((3, 5), bool)}
    with pytest.raises(JnnError, match=r"texts\.py: got tokens that differs"):
        write_texts(tmp_path, preparation, Sizes(None, 1, 5), run)


def test_a_text_has_room_for_a_window_that_needs_it():
    tokenizer = loaded("texts").preparation.tokenizer
    preparation = Preparation(shaped(20, dtype=np.int32), tokenizer=tokenizer)
    windows = jnn.chain(
        jnn.embedding(tokenizer.vocabulary, 2),
        jnn.function(lambda x: x[..., : min(x.shape[-2], 9), :].mean(axis=(-1, -2))),
    )
    unmasked = windows._replace(apply=lambda *args, mask=None, **rest: windows.apply(*args, **rest))
    artifact = stablehlo(program_of(loaded_of(unmasked, preparation)))
    assert artifact.sizes == (None, 16, None)
    assert artifact.inputs["tokens"]["shape"] == ["batch", "length"]


def test_without_a_preparation_and_with_members_outputs_are_by_row(tmp_path):
    model = loaded("committee")._replace(preparation=None)
    folder = export(model, tmp_path / "committee")
    x = np.random.default_rng(1).standard_normal((4, 2)).astype(np.float32)
    found = in_process(folder / "predict.py", {"x": x})["prediction"]
    np.testing.assert_allclose(found, np.moveaxis(model.predict(x), 0, 1), rtol=SAME)


def test_what_needs_to_know_the_batch_is_exported_for_one_example():
    stubborn = jnn.function(lambda x: x * float(x.shape[0]))
    artifact = stablehlo(program_of(loaded_of(stubborn, Preparation(shaped(3)))))
    assert artifact.sizes.batch == 1
    assert artifact.inputs == {"x": {"shape": [1, 3], "dtype": "float32"}}


def test_an_operation_without_a_portable_form_is_named():
    callback = lambda x: jax.pure_callback(np.sin, x, x, vmap_method="sequential")
    program = program_of(loaded_of(jnn.function(callback), Preparation(shaped(3))))
    with pytest.raises(JnnError, match=r"StableHLO: got .*callback.*, expected"):
        stablehlo(program)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"prediction": np.full(3, 7.0)}, r"predict\.py: got prediction that differs by"),
        ({"prediction": np.full(3, np.nan)}, "got prediction that differs by nan"),
        ({"prediction": np.zeros(4)}, r"got prediction of shape \(4,\), expected \(3,\)"),
        ({"y": np.zeros(3)}, "got the outputs y, expected prediction"),
    ],
)
def test_a_folder_that_answers_otherwise_is_not_kept(monkeypatch, tmp_path, outputs, message):
    monkeypatch.setattr("jnn.export.folder.run_script", lambda script, inputs: outputs)
    with pytest.raises(JnnError, match=message):
        export(loaded("rows"), tmp_path / "deep" / "rows")
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_existing_folder_is_left_as_it_is(tmp_path):
    with pytest.raises(JnnError, match="got a folder that exists, expected a new folder"):
        export(loaded("rows"), tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(JnnError, match="got a file that exists, expected a new folder"):
        export(loaded("rows"), tmp_path / "a")


def test_small_differences_are_those_of_float32():
    value = {"y": np.array([1000.0, 1.0])}
    check_same("x", {"y": np.array([1000.0, 1.05])}, value)
    with pytest.raises(JnnError):
        check_same("x", {"y": np.array([1000.0, 1.2])}, value)


@pytest.mark.parametrize("name", ["rows", "pictures", "texts"])
def test_javascript_answers_for_one_example(monkeypatch, tmp_path, name):
    monkeypatch.setattr("shutil.which", lambda name: None)
    model = loaded(name)
    about = write_web(tmp_path, program_of(model), "A model")
    one = "one text of 5 tokens; the mask of padding is false" if name == "texts" else "one example"
    assert about["model.mjs"].endswith(one)
    if name == "texts":
        tokens = model.preparation.encode("so good")[0].tolist()
        inputs = {"tokens": [*tokens, 0, 0, 0], "mask": [1, 1, 0, 0, 0]}
        expected = {"probabilities": model.predict("so good").probabilities}
    elif name == "pictures":
        pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 1), np.uint8)
        inputs = {"x": pixels.ravel().tolist()}
        expected = {"probabilities": model.predict(pixels).probabilities}
    else:
        inputs = {"x": [9.5, -3.0]}
        expected = {"prediction": model.predict([9.5, -3.0])}
    found = run_javascript(tmp_path, inputs)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], np.ravel(value), rtol=1e-4)
    short = {key: value[1:] for key, value in inputs.items()}
    size = len(next(iter(inputs.values())))
    with pytest.raises(Exception, match=rf"got {size - 1} numbers, expected {size} of shape"):
        run_javascript(tmp_path, short)
    page = (tmp_path / "index.html").read_text()
    assert '<script type="module">' in page
    assert "python -m http.server" in page.split("<script")[0]


@pytest.mark.slow
def test_the_page_has_names_of_classes_or_says_how_to_serve_it(tmp_path):
    classes = ("</script>", "the other")
    write_web(tmp_path, program_of(loaded("pictures")), "A model", classes)
    text = "return document.getElementById('outputs').textContent"
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with chromium() as window, ThreadingHTTPServer(("localhost", 0), handler) as server:
        window.get((tmp_path / "index.html").as_uri())
        assert "python -m http.server" in window.execute_script(text)
        threading.Thread(target=server.serve_forever).start()
        window.get(f"http://localhost:{server.server_port}")
        answer = wait(window, f"{text}.match(/probabilities:[^]*/)?.[0]")
        server.shutdown()
    assert [line.split("  ")[-1] for line in answer.splitlines()[1:]] == list(classes)


def test_javascript_that_answers_otherwise_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("jnn.export.web.run_javascript", lambda *_: {"prediction": [7.0]})
    with pytest.raises(JnnError, match=r"predict\.mjs: got prediction that differs"):
        write_web(tmp_path, program_of(loaded("rows")), "A model")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_node_runs_the_module(tmp_path):
    folder = export(loaded("rows"), tmp_path / "rows", web=True)
    found = run_javascript(folder, {"x": [9.5, -3.0]})
    expected = loaded("rows").predict([9.5, -3.0])
    np.testing.assert_allclose(found["prediction"], [expected], rtol=1e-4)
    assert "`model.mjs`" in (folder / "README.md").read_text()
    with pytest.raises(JnnError, match=r"predict\.mjs: got .*Error"):
        run_javascript(folder, {"y": [1.0]})


@pytest.mark.slow
def test_scripts_run_in_a_process_without_jnn(monkeypatch, tmp_path):
    monkeypatch.setattr("jnn.export.folder.run_script", run_script)
    folder = export(loaded("rows"), tmp_path / "rows")
    (folder / "bad.py").write_text("import jnn\n")
    with pytest.raises(JnnError, match=r"bad\.py: got .*import of jnn halted"):
        run_script(folder / "bad.py", {})
