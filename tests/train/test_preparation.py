"""What is saved with a run to predict from raw inputs."""

import hashlib
import json

import jax
import numpy as np
import pytest

from jnn.data.scaling import Scaling, fit_scaling
from jnn.data.tokenizers import word_tokenizer
from jnn.errors import JnnError
from jnn.files import write_json
from jnn.runs.run import Run, RunOptions
from jnn.train import Preparation, read_preparation
from jnn.train.preparation import FILE, keep_preparation

FLOATS = jax.ShapeDtypeStruct((2,), np.float32)
TABLE = np.random.default_rng(0).normal(7, 3, (50, 2))
ROWS = Preparation(FLOATS, scaling=fit_scaling(TABLE), target=fit_scaling(TABLE[:, 0]))
PICTURES = Preparation(jax.ShapeDtypeStruct((2, 2, 1), np.float32), pixels=True, classes=("a", "b"))
TOKENIZER = word_tokenizer(["so good", "bad"], lower=True)
TEXTS = Preparation(jax.ShapeDtypeStruct((3,), np.int32), tokenizer=TOKENIZER, longest=2)


GRADED = ROWS._replace(columns=("size", "cut"), grades={"cut": ("fair", "good", "best")})


@pytest.mark.parametrize("preparation", [ROWS, PICTURES, TEXTS, GRADED])
def test_what_is_read_is_what_was_saved(tmp_path, preparation):
    keep_preparation(tmp_path, preparation)
    keep_preparation(tmp_path, preparation)
    again = read_preparation(tmp_path)
    assert again.to_json() == preparation.to_json()
    assert again.example == preparation.example
    if preparation is ROWS:
        np.testing.assert_array_equal(again.encode(TABLE)[0], ROWS.encode(TABLE)[0])
        np.testing.assert_array_equal(again.decode(TABLE[:, 0]), ROWS.decode(TABLE[:, 0]))


def test_grades_are_words_or_the_numbers_of_their_places():
    expected = GRADED.encode([[3.0, 1.0], [4.0, 2.0]])[0]
    for rows in ([[3.0, "good"], ["4", "best"]], np.array([[3, "1"], [4, 2.0]], object)):
        np.testing.assert_array_equal(GRADED.encode(rows)[0], expected)
    np.testing.assert_array_equal(GRADED.encode([3.0, "good"])[0], expected[0])
    words = "expected one of fair, good, best, or of the numbers 0 to 2"
    for grade in ("great", 7, None, 0.5, "1.5"):
        with pytest.raises(JnnError, match=f"predict: cut, row 1: got '{grade}', {words}"):
            GRADED.encode(np.array([3, grade], object))
    with pytest.raises(JnnError, match=r"predict: size: got could not convert .*large"):
        GRADED.encode(["large", "good"])
    with pytest.raises(JnnError, match="got dtype <U"):
        ROWS.encode(["3", "good"])


def test_a_picture_of_floats_is_from_0_to_1():
    x = np.array([[[0.0], [0.2]], [[1.0], [0.9995]]])
    np.testing.assert_allclose(PICTURES.encode(x)[0], x, rtol=1e-6)
    for wrong, message in ((255 * x, "floats from 0 to 255"), (2 * x - 1, "floats from -1 to 1")):
        with pytest.raises(JnnError, match=f"got {message}, expected floats from 0 to 1. Scale"):
            PICTURES.encode(wrong)


def test_other_data_at_a_resume_and_an_altered_file_are_refused(tmp_path):
    keep_preparation(tmp_path, ROWS)
    other = ROWS._replace(scaling=Scaling(ROWS.scaling.mean + 1e-9, ROWS.scaling.deviation))
    with pytest.raises(JnnError, match="another scaling than the run began with"):
        keep_preparation(tmp_path, other)
    path = tmp_path / FILE
    record = json.loads(path.read_text())
    record["scaling"]["mean"][0] += 1e-9
    path.write_text(json.dumps(record))
    for call in (read_preparation, lambda folder: keep_preparation(folder, ROWS)):
        with pytest.raises(JnnError, match="got a file that was altered"):
            call(tmp_path)
    path.unlink()
    assert read_preparation(tmp_path) is None


def test_names_of_columns_are_kept_and_a_run_without_them_is_resumed(tmp_path):
    named = ROWS._replace(columns=("width", "depth"), unit="m")
    record = named.to_json()
    before = {name: value for name, value in record.items() if name not in ("columns", "unit")}
    digest = hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()
    write_json(tmp_path / FILE, {**before, "sha256": digest})
    assert keep_preparation(tmp_path, named) == digest
    assert read_preparation(tmp_path).columns == ()
    (tmp_path / FILE).unlink()
    keep_preparation(tmp_path, named)
    again = read_preparation(tmp_path)
    assert (again.columns, again.unit) == (("width", "depth"), "m")
    with pytest.raises(JnnError, match="another columns than"):
        keep_preparation(tmp_path, named._replace(columns=("depth", "width")))


def test_the_preparation_of_another_run_is_refused(tmp_path):
    pictures = PICTURES._replace(classes=("b", "a"))
    folders = []
    for name, preparation in {"a": PICTURES, "b": pictures}.items():
        options = {"out": tmp_path / name, "options": RunOptions(quiet=True)}
        with Run.create("toy", {"seed": 0}, **options) as run:
            run.own(FILE, keep_preparation(run.folder, preparation))
        folders.append(run.folder)
    assert read_preparation(folders[0]).classes == ("a", "b")
    (folders[0] / FILE).write_bytes((folders[1] / FILE).read_bytes())
    for call in (read_preparation, lambda folder: keep_preparation(folder, pictures)):
        with pytest.raises(JnnError, match="got the preparation of another run"):
            call(folders[0])
    (folders[0] / FILE).unlink()
    with pytest.raises(JnnError, match=r"preparation\.json: got no such file"):
        read_preparation(folders[0])
    with pytest.raises(JnnError, match="got the preparation of another run, or of other data"):
        keep_preparation(folders[0], pictures)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scaling", {"mean": [0, 0], "deviation": [0, 1]}, "a scaling without .* deviation > 0"),
        ("scaling", {"mean": [0, 0], "deviation": [-1, 1]}, "a scaling without"),
        ("scaling", {"mean": [None, 0], "deviation": [1, 1]}, "got "),
        ("scaling", {"mean": [0], "deviation": [1, 1]}, "a scaling without"),
        ("target", {"mean": 0, "deviation": 0}, "a target without"),
        ("target", {"mean": 0}, "got KeyError"),
        ("classes", ["a", 3], "names of classes that are no text"),
        ("longest", 0, "longest=0"),
        ("next_token", 1, "a next_token that is no truth value"),
        ("pixels", "no", "pixels that are no truth value"),
        ("pieces", [[None]], "pieces that are not finite"),
    ],
)
def test_values_that_no_data_gives_are_refused(tmp_path, name, value, message):
    record = ROWS.to_json() | {name: value}
    record = json.loads(json.dumps(record))
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    write_json(tmp_path / FILE, record | {"sha256": digest})
    with pytest.raises(JnnError, match=message):
        read_preparation(tmp_path)


def test_that_the_next_token_is_predicted_is_kept(tmp_path):
    keep_preparation(tmp_path, TEXTS._replace(next_token=True))
    assert read_preparation(tmp_path).next_token


def test_texts_are_padded_and_cut():
    tokens, mask = TEXTS.encode(["bad", "So good so"])
    np.testing.assert_array_equal(tokens[1], TOKENIZER.encode("so good"))
    assert tokens[0, 0] == TOKENIZER.encode("bad")[0]
    assert mask.tolist() == [[True, False], [True, True]]
    assert TEXTS.encode("bad")[0].shape == (1,)


def test_answers_at_padding_are_empty():
    preparation = TEXTS._replace(classes=("x", "y"))
    answer = preparation.decode(np.zeros((1, 2, 2)), np.array([[True, False]]))
    assert answer.label.tolist() == [["x", ""]]
    assert np.isnan(answer.probabilities[0, 1]).all()


def test_an_output_that_is_no_number_is_no_answer():
    with pytest.raises(JnnError, match="got outputs of the model that are not finite"):
        PICTURES.decode(np.array([[0.0, np.nan]]))
    assert PICTURES.decode(np.array([-np.inf, 0.0])).probabilities.tolist() == [0, 1]
    assert PICTURES.decode(np.array([-np.inf, 0.0])).index == 1


def test_bytes_of_pictures_become_fractions():
    picture = np.array([[[0], [51]], [[255], [102]]], np.uint8)
    x, _ = PICTURES.encode(picture)
    np.testing.assert_allclose(x.ravel(), [0, 0.2, 1, 0.4], rtol=1e-6)
    np.testing.assert_array_equal(PICTURES.encode(x)[0], x)


@pytest.mark.parametrize(
    ("preparation", "raw", "message"),
    [
        (ROWS, np.ones((4, 3)), r"got shape \(4, 3\), expected rows \(..., 2\)"),
        (ROWS, [[1.0, np.nan]], "got nan at row 0, column 1"),
        (ROWS, [1.0, np.inf], "got inf at row 1"),
        (ROWS, [["red", "blue"]], "expected numbers"),
        (ROWS, [[1.0, 2.0], [3.0]], "got rows of unequal lengths"),
        (ROWS, np.ma.masked_values([[1.0, 2.0]], 2.0), "got masked values"),
        (ROWS, [[1e300, 1.0]], "predict, scaled: got 1e\\+300 at row 0, column 0"),
        (PICTURES, np.zeros((2, 2), np.uint8), r"expected pictures \(..., 2, 2, 1\).*resize"),
        (PICTURES, np.zeros((2, 2, 1), np.int64), "expected uint8 or floats"),
        (TEXTS, [], "expected a text, or a list of texts"),
        (TEXTS, ["bad", 3], "expected a text, or a list of texts"),
        (TEXTS, ["bad", ""], "expected a text with a token or more"),
        (TEXTS, np.zeros((2, 3)), "expected a text, or a list of texts"),
    ],
)
def test_what_cannot_be_prepared_is_named(preparation, raw, message):
    with pytest.raises(JnnError, match=message):
        preparation.encode(raw)
