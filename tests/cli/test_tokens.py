"""``jnn tokens``: texts in files become tokens that a run trains on; bad input is refused."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from jnn.cli import main
from jnn.data.token_files import token_files, tokens_of_texts
from jnn.data.tokenizers import character_tokenizer, find_tokenizer, write_tokenizer

TEXT = "To be, or not to be, that is the question.\n" * 20


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A working directory with texts, and a tokenizer in a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    (tmp_path / "run").mkdir()
    tokenizer = character_tokenizer(TEXT + "one two", special=("unknown", "end"))
    write_tokenizer(tmp_path / "run" / "tokenizer.json", tokenizer)
    return tmp_path


def test_documents_become_tokens_with_ends_and_their_tokenizer(corpus, capsys):
    assert main(["tokens", "a.txt", "b.jsonl", "--out", "set", "--tokenizer", "run"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{corpus / 'set'}\n"
    files = token_files("set")
    tokenizer = files.read_tokenizer()
    assert tokenizer.fingerprint == find_tokenizer("run").fingerprint
    expected = np.concatenate([*tokens_of_texts([TEXT, "one", "two"], tokenizer)])
    np.testing.assert_array_equal(files.read(0, len(files)), expected)
    held = len(expected) // 20
    parts = f"train {len(expected) - 2 * held}, validation {held}, test {held}"
    sizes = f"vocabulary {tokenizer.vocabulary}, documents 3, characters {len(TEXT) + 6}"
    assert f"tokens {len(expected)}, {parts}, {sizes}\n" in err


def test_texts_of_their_own_are_for_validation_and_test(corpus, capsys):
    given = ["--validation", "b.jsonl", "--test", "b.jsonl", "--test", "c.txt"]
    (corpus / "c.txt").write_text("not")
    words = ["tokens", "a.txt", *given, "--out", "set", "--tokenizer", "run", "--json"]
    assert main(words) == 0
    files, tokenizer = token_files("set"), find_tokenizer("run")
    expected = {"train": [TEXT], "validation": ["one", "two"], "test": ["one", "two", "not"]}
    for name, texts in expected.items():
        part = files.part(name)
        tokens = np.concatenate([*tokens_of_texts(texts, tokenizer)])
        np.testing.assert_array_equal(part.read(0, len(part)), tokens)
    counts = json.loads(capsys.readouterr().out)
    assert {name: counts[name] for name in expected} == {"train": 861, "validation": 8, "test": 12}
    assert counts["documents"] == 6


@pytest.mark.parametrize(("asked", "most"), [(300, 300), (0, len(set(TEXT)) + 2)])
def test_a_vocabulary_is_learned_from_the_files(corpus, capsys, asked, most):
    assert main(["tokens", "a.txt", "--out", "set", "--vocabulary", str(asked), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    files = token_files("set")
    tokenizer = files.read_tokenizer()
    assert tokenizer.decode(files.read(0, len(files))) == TEXT
    assert files.read(len(files) - 1, len(files)).tolist() == [tokenizer.end]
    assert files.vocabulary == tokenizer.vocabulary <= most
    assert printed == {
        "folder": str(corpus / "set"),
        "tokens": len(files),
        **{name: len(files.part(name)) for name in ("train", "validation", "test")},
        "vocabulary": files.vocabulary,
        "documents": 1,
        "characters": len(TEXT),
    }


def test_standard_input_is_a_document(corpus, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"to be")))
    assert main(["tokens", "-", "--out", "set", "--tokenizer", "run/tokenizer.json"]) == 0
    files = token_files("set")
    assert files.read_tokenizer().decode(files.read(0, len(files))) == "to be"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("a.txt --vocabulary 300 --tokenizer run", "got --tokenizer and --vocabulary"),
        ("a.txt --vocabulary 5", "got vocabulary=5, expected at least 257"),
        ("a.txt --vocabulary -1", "got vocabulary=-1, expected"),
        ("- ", "got standard input, which can be read once, expected a --tokenizer"),
        ("- --test - --tokenizer run", "got standard input twice"),
        ("a.txt --test none.txt --tokenizer run", "none.txt: got no such file"),
        ("none.txt", "none.txt: got no such file"),
        (". --tokenizer run", ".: got a folder, expected an existing file"),
        ("a.txt --tokenizer none", "none: got no such file"),
        ("a.txt --tokenizer a.txt", "a.txt: got no JSON"),
        ("a.txt --tokenizer damaged.json", "damaged.json: got"),
        ("b.jsonl --field body", 'b.jsonl, line 1: got \'{"text": "one"}\''),
        ("empty.txt --tokenizer none.json", "none.json: got no such file"),
        ("empty.txt --vocabulary 0", "got empty text, expected text to take the vocabulary from"),
        ("a.gz --tokenizer run", "a.gz: got a gzip file"),
        ("a.txt --out a.txt", "a.txt: got File exists"),
    ],
)
def test_what_cannot_be_tokens_is_refused_and_no_set_is_left(corpus, capsys, words, message):
    (corpus / "empty.txt").touch()
    (corpus / "a.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (corpus / "damaged.json").write_text('{"model": {}}')
    assert main(["tokens", "--out", "set", *words.split()]) == 2
    assert message in capsys.readouterr().err
    assert not (corpus / "set" / "tokens.json").exists()
    assert not list(corpus.glob("set/.writing-*"))


def test_a_set_is_kept_before_anything_is_learned(corpus, capsys, monkeypatch):
    assert main(["tokens", "b.jsonl", "--out", "set", "--tokenizer", "run"]) == 0
    before = token_files("set").identity
    monkeypatch.setattr("jnn.data.tokenizers.byte_pair_tokenizer", lambda *a, **k: 1 / 0)
    assert main(["tokens", "a.txt", "--out", "set"]) == 2
    assert "set: got a folder that has a set of tokens" in capsys.readouterr().err
    assert token_files("set").identity == before
