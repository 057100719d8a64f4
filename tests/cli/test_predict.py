"""``jnn predict``: a model says of files what it says in Python, and a bad file is named."""

import csv
import io
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jnn
from jnn.cli import main
from jnn.cli.prediction import predict_files
from jnn.cli.prediction_output import lines
from jnn.errors import JnnError
from tests.trained import loaded, shaped

SAME = 1e-5  # float32, as a batch and alone


def predicted(run, *files, stdin="", say=lambda text: None, **options):
    return predict_files(run, list(map(str, files)), io.StringIO(stdin), say, **options)


@pytest.fixture
def table(tmp_path):
    """A table with other columns than those of the model, in another order."""
    rows = np.random.default_rng(0).normal([10, -4], [2, 0.5], (7, 2))
    text = "".join(f"{depth},some words,{width}\n" for width, depth in rows)
    (tmp_path / "table.csv").write_text(f"depth,note,width\n{text}")
    return tmp_path / "table.csv", rows


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_columns_are_found_by_name_and_answers_are_those_of_python(table, batch_size):
    path, rows = table
    answers = predicted(loaded("rows"), path, batch_size=batch_size)
    assert [(answer.file, answer.row) for answer in answers] == [
        (str(path), i) for i in range(1, 8)
    ]
    numbers = [answer.values["prediction"] for answer in answers]
    np.testing.assert_allclose(numbers, loaded("rows").predict(rows), rtol=SAME)
    assert lines(answers, "kg")[0] == f"{path}:1\t{float(numbers[0]):.6g} kg"


def test_grades_in_a_table_are_words_or_numbers(tmp_path):
    run = loaded("rows")
    graded = run.preparation._replace(grades={"depth": ("low", "high")})
    run, path = run._replace(preparation=graded), tmp_path / "table.csv"
    path.write_text("width,depth\n9,low\n\n9,1\n9,high\n")
    low, one, high = (answer.values["prediction"] for answer in predicted(run, path))
    assert one == high != low
    path.write_text("width,depth\n9,lo\n")
    with pytest.raises(JnnError, match="column 'depth', row 1: got 'lo', expected one of low, "):
        predicted(run, path)


def test_a_picture_is_scaled_as_those_of_a_folder_are_and_that_is_said(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 1), np.uint8)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    Image.fromarray(pixels[..., 0]).resize((12, 8)).convert("RGB").save(tmp_path / "b.png")
    np.save(tmp_path / "c.npy", np.stack([pixels, pixels[::-1]]))
    said = []
    names = [tmp_path / name for name in ("a.png", "b.png", "c.npy")]
    answers = predicted(loaded("pictures"), *names, say=said.append)
    assert [(answer.row, answer.file) for answer in answers] == [
        (row, str(name)) for row, name in zip([None, None, 1, 2], [*names, names[2]], strict=True)
    ]
    assert said == [f"cropped and scaled to 4 x 6 pixels: {names[1]}"]
    expected = loaded("pictures").predict(pixels)
    for answer in (answers[0], answers[2]):
        assert answer.values["label"] == expected.label
        by_class = list(answer.values["probabilities"].values())
        np.testing.assert_allclose(by_class, expected.probabilities, atol=SAME)


def test_a_picture_that_lies_on_its_side_is_cropped_but_where_its_exif_says_so(tmp_path):
    image = Image.fromarray(np.zeros((6, 4), np.uint8))  # of the model's sides, exchanged
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by 90 degrees
    image.save(tmp_path / "turned.png", exif=turned)
    image.save(tmp_path / "tall.png")
    said = []
    predicted(loaded("pictures"), *sorted(tmp_path.iterdir()), say=said.append)
    assert said == [f"cropped and scaled to 4 x 6 pixels: {tmp_path / 'tall.png'}"]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_each_line_is_a_text_and_padding_changes_nothing(tmp_path, batch_size):
    (tmp_path / "a.txt").write_text("so good\n\nso bad a thing so bad a thing\n")
    answers = predicted(
        loaded("texts"), tmp_path / "a.txt", "-", stdin="good\n", batch_size=batch_size
    )
    assert [answer.row for answer in answers] == [1, 3, 1]
    assert answers[-1].file == "standard input"
    for text, answer in zip(["so good", "so bad a thing so", "good"], answers, strict=True):
        expected = loaded("texts").predict(text)
        assert answer.values["label"] == expected.label
        assert answer.values["probability"] == pytest.approx(expected.probabilities.max(), abs=SAME)


TYPED = {
    "the mark of UTF-8": b"\xef\xbb\xbfso good\n",
    "UTF-16": "so good\r\n".encode("utf-16"),
    "a separator inside": "so\u2028good\n".encode(),
}


@pytest.mark.parametrize("name", TYPED)
def test_standard_input_is_decoded_as_a_file_is(name):
    stdin = io.TextIOWrapper(io.BytesIO(TYPED[name]), encoding="latin-1")
    (answer,) = predict_files(loaded("texts"), [], stdin, lambda text: None)
    assert answer[1] == 1
    p = loaded("texts").predict("so good").probabilities
    np.testing.assert_allclose(answer.values["probability"], p.max(), atol=SAME)


def test_what_is_no_text_on_standard_input_is_refused():
    stdin = io.TextIOWrapper(io.BytesIO(b"so good\ncaf\xe9\n"), encoding="latin-1")
    with pytest.raises(JnnError, match="standard input, line 2: got the byte 0xe9"):
        predict_files(loaded("texts"), [], stdin, lambda text: None)
    with pytest.raises(JnnError, match="standard input: got no text"):  # it is closed
        predict_files(loaded("texts"), [], None, lambda text: None)


def test_inputs_of_two_shapes_are_filled_up_to_no_more_than_was_read(tmp_path, table):
    path, _ = table
    (tmp_path / "short.csv").write_text("".join(path.read_text().splitlines(True)[:4]))
    for size in (10**9, 10**20):  # gigabytes, if a batch were filled up to its size
        answers = predicted(loaded("series"), path, tmp_path / "short.csv", batch_size=size)
        assert [answer.file for answer in answers] == [str(path), str(tmp_path / "short.csv")]


@pytest.mark.slow
def test_the_tokens_of_a_text_have_an_answer_each():
    (answer,) = predicted(loaded("tags"), stdin="so bad a\n")
    assert answer.values["label"] == loaded("tags").predict("so bad a").label.tolist()
    assert lines([answer]) == ["standard input:1\t" + " ".join(answer.values["label"])]


def test_of_a_language_model_the_answer_is_how_probable_each_text_is(tmp_path):
    run, texts = loaded("next tokens"), ["so bad a thing so", "so good"]
    model, tokenizer = run.model, run.preparation.tokenizer
    nats = []
    for text in texts:
        tokens = tokenizer.encode(text)
        logits = np.asarray(jax.jit(model.apply)(run.params, run.state, tokens)[0], np.float64)
        log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        nats.append(-np.mean([log_p[t, tokens[t + 1]] for t in range(len(tokens) - 1)]))
    answers = predicted(run, stdin="\n".join(texts))
    for name, expected in {"nats_per_token": nats, "perplexity": np.exp(nats)}.items():
        np.testing.assert_allclose([answer.values[name] for answer in answers], expected, rtol=SAME)
        np.testing.assert_allclose(run.predict(texts)[name], expected, rtol=SAME)
    with pytest.raises(JnnError, match="line 2: got 'so', expected a text with two tokens or more"):
        predicted(run, stdin="so good\nso")
    with pytest.raises(JnnError, match="line 1: got a text of 6 tokens, expected at most 5"):
        predicted(run, stdin="so bad a thing so good")


def test_the_members_of_an_ensemble_are_not_taken_for_rows(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    answers = predicted(loaded("committee")._replace(preparation=None), tmp_path / "x.npy")
    y = np.stack([answer.values["prediction"] for answer in answers])
    np.testing.assert_allclose(y, np.moveaxis(loaded("committee").predict(x), 0, 1), rtol=SAME)


def test_each_detected_object_has_a_line(tmp_path):
    objects = {
        "label": jnp.array([3, 1, 2]),
        "score": jnp.array([0.9, 0.5, 0.01]),
        "box": jnp.arange(12.0).reshape(3, 4),
    }
    model = jnn.function(lambda x: jax.tree.map(lambda y: y + 0 * x.sum().astype(y.dtype), objects))
    run = loaded("committee")._replace(model=model, params={}, preparation=None)
    np.save(tmp_path / "x.npy", np.zeros((2, 2), np.float32))
    answers = predicted(run, tmp_path / "x.npy")
    assert [(answer.row, int(answer.values["label"])) for answer in answers] == [
        (1, 3),
        (1, 1),
        (2, 3),
        (2, 1),
    ]
    line = "label 1\tscore 0.5\tleft 4\ttop 5\tright 6\tbottom 7"
    assert lines(answers)[1] == f"{tmp_path / 'x.npy'}:1\t{line}"


def test_a_table_is_one_series_where_the_model_takes_them(tmp_path, table):
    path, rows = table
    (answer,) = predicted(loaded("series"), path)
    assert answer.row is None
    np.testing.assert_allclose(
        answer.values["prediction"], loaded("series").predict(rows), rtol=SAME
    )


def test_all_answers_go_into_one_file(monkeypatch, tmp_path, table, capsys):
    path, rows = table
    monkeypatch.setattr("jnn.loaded.load", lambda run: loaded("rows"))
    for name in ("out.csv", "out.json"):
        assert main(["predict", "run", str(path), "--out", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}\n"
    from_csv = list(csv.DictReader((tmp_path / "out.csv").open()))
    from_json = json.loads((tmp_path / "out.json").read_text())
    assert from_json[2]["unit"] == "kg"
    for records in (from_csv, from_json):
        numbers = [float(record["prediction"]) for record in records]
        np.testing.assert_allclose(numbers, loaded("rows").predict(rows), rtol=SAME)


def test_probabilities_of_classes_are_columns(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("jnn.loaded.load", lambda run: loaded("texts"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("so good\n"))
    assert main(["predict", "run", "--out", str(tmp_path / "out.csv")]) == 0
    (record,) = csv.DictReader((tmp_path / "out.csv").open())
    expected = loaded("texts").predict("so good")
    assert record["label"] == expected.label
    p = [float(record["p(no)"]), float(record["p(yes)"])]
    np.testing.assert_allclose(p, expected.probabilities, atol=SAME)


BAD = {
    "a table without a column": (
        "rows",
        "a.csv",
        "width,dept\n1,2\n",
        r"a\.csv: got columns width, dept, expected 'depth' .* Did you mean 'dept'\?",
    ),
    "a field that is no number": (
        "rows",
        "a.csv",
        "width,depth\n1,2\n3,deep\n",
        r"a\.csv, line 3: got 'deep' in column 'depth', expected a number",
    ),
    "a table for a model of pictures": (
        "pictures",
        "a.csv",
        "a\n1\n",
        r"a\.csv: got a file of kind \.csv, expected pictures .*, or an array \(4, 6, 1\)",
    ),
    "a damaged picture": ("pictures", "a.png", "no picture", r"a\.png: got UnidentifiedImageError"),
    "an array of another shape": (
        "pictures",
        "a.npy",
        np.zeros((6, 4, 1), np.uint8),
        r"a\.npy: got shape \(6, 4, 1\), expected pictures",
    ),
    "an array of numbers that are not finite": (
        "rows",
        "a.npy",
        np.array([[1.0, np.nan]]),
        r"a\.npy: got nan at row 0, column 1",
    ),
    "a file without a text": ("texts", "a.txt", " \n\n", r"a\.txt: got no text, expected a text"),
    "a file that is no text": ("texts", "a.txt", b"\xff", r"a\.txt, line 1: got the byte 0xff"),
    "a missing file": ("rows", "b.csv", None, r"b\.csv: got no such file"),
    "an array of no rows": (
        "rows",
        "a.npy",
        np.zeros((0, 2)),
        r"a\.npy: got no input, shape \(0, 2\)",
    ),
    "too few columns without names": (
        "committee",
        "a.csv",
        "a\n1\n",
        r"a\.csv: got 1 columns, expected 2, in the order",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_and_nothing_is_written(monkeypatch, tmp_path, capsys, table, case):
    kind, name, content, message = BAD[case]
    run = loaded(kind)
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(JnnError, match=message):
        predicted(run, path)
    monkeypatch.setattr("jnn.loaded.load", lambda folder: run)
    good = [str(table[0])] if kind == "rows" else []
    assert main(["predict", "run", *good, str(path), "--out", str(tmp_path / "out.csv")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert name in err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.xls"], "--out: got a.xls, expected a file that ends with .csv or .json."),
        (["--out", "nowhere/a.csv"], "--out: got no folder nowhere, expected an existing one."),
        (["--out", "a.csv", "./a.csv"], "--out: got a.csv, a FILE of inputs, expected a file of"),
        (["--batch-size", "0"], "--batch-size=0, expected"),
        (["-"], "jnn predict: got standard input, expected files: a table in .csv"),
        ([], "jnn predict: got no FILE, expected files: a table in .csv, or an array (2)"),
    ],
)
def test_what_cannot_be_asked_for_is_said(monkeypatch, capsys, words, message):
    monkeypatch.setattr("jnn.loaded.load", lambda run: loaded("rows"))
    assert main(["predict", "run", *words]) == 2
    assert message in capsys.readouterr().err


def test_of_a_run_without_a_preparation_inputs_are_prepared_arrays(monkeypatch, tmp_path, capsys):
    run = loaded("committee")._replace(preparation=None)
    monkeypatch.setattr("jnn.loaded.load", lambda folder: run)
    np.save(tmp_path / "x.npy", np.ones(2, np.float32))
    assert main(["predict", "run", str(tmp_path / "x.npy")]) == 0
    out, err = capsys.readouterr()
    assert "the run has no preparation" in err
    numbers = [float(word) for word in out.split()[1:]]
    np.testing.assert_allclose(numbers, run.predict(np.ones(2, np.float32)).ravel(), rtol=1e-4)


def test_a_model_of_several_inputs_says_what_to_use():
    several = loaded("rows")._replace(
        example={"tokens": shaped(3), "source": shaped(3)}, preparation=None
    )
    with pytest.raises(JnnError, match=r"a model of several inputs.* Use `jnn generate`"):
        predicted(several, "a.csv")
