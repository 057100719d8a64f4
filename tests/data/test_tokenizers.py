import json
import re
import sys
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFace
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from jnn.data import tokenizers
from jnn.errors import JnnError, MissingExtraError

TEXT = "Tom saw 3 cats; the cats didn't see Tom.\nEl niño, ¿dónde está? 🙂 the"
BYTE_PAIRS = tokenizers.byte_pair_tokenizer(TEXT, vocabulary=300, special=("padding", "end"))
ALL = {
    "characters": tokenizers.character_tokenizer(TEXT, special=("padding", "unknown")),
    "words": tokenizers.word_tokenizer(TEXT, special=("padding", "unknown", "start", "end")),
    "byte pairs": BYTE_PAIRS,
}
for_all_kinds = pytest.mark.parametrize("tokenizer", ALL.values(), ids=ALL)


@for_all_kinds
def test_tokens_are_int32_and_named_by_what_they_stand_for(tokenizer):
    tokens = tokenizer.encode(TEXT)
    assert tokens.dtype == np.int32
    assert tokens.ndim == 1
    assert tokenizer.vocabulary == len(tokenizer.tokens) > tokens.max()
    assert tokenizer.tokens[tokenizer.padding] == "<padding>"
    for token in set(tokens.tolist()):
        assert tokenizer.decode([token]) == tokenizer.tokens[token]


@for_all_kinds
def test_the_empty_text_has_no_tokens(tokenizer):
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.encode("").dtype == np.int32
    assert tokenizer.decode([]) == ""


@for_all_kinds
def test_special_tokens_but_unknown_are_left_out_of_a_text(tokenizer):
    hidden = [token for name, token in tokenizer.special.items() if name != "unknown"]
    inside = np.concatenate([hidden, tokenizer.encode(TEXT), hidden])
    assert tokenizer.decode(inside) == tokenizer.decode(jnp.asarray(tokenizer.encode(TEXT)))
    written = "".join(f"<{name}>" for name in tokenizer.special)
    assert not set(hidden) & set(tokenizer.encode(written).tolist())


@settings(max_examples=100)
@given(st.text(alphabet=sorted(set(TEXT))))
def test_characters_come_back_exactly(text):
    tokenizer = ALL["characters"]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert [tokenizer.tokens[token] for token in tokenizer.encode(text)] == list(text)


@settings(max_examples=200)
@given(st.text())
def test_byte_pairs_bring_any_text_back_exactly(text):
    assert BYTE_PAIRS.decode(BYTE_PAIRS.encode(text)) == text


@settings(max_examples=200)
@given(st.binary() | st.text().map(str.encode))
def test_byte_pairs_bring_any_bytes_back_exactly(content):
    assert (
        tokenizers.decode_bytes(BYTE_PAIRS, tokenizers.encode_bytes(BYTE_PAIRS, content)) == content
    )


@settings(max_examples=100)
@given(st.text(alphabet=[*sorted(set(TEXT) - {"🙂"}), "x", "_"]))
def test_words_keep_every_known_word_in_order(text):
    tokenizer = ALL["words"]
    words = re.findall(r"\w+|[^\w\s]", text)
    vocabulary = set(re.findall(r"\w+|[^\w\s]", TEXT))
    assert tokenizer.decode(tokenizer.encode(text)).split() == [
        word if word in vocabulary else "<unknown>" for word in words
    ]


def test_byte_pairs_are_those_of_hugging_face():
    theirs = HuggingFace(models.BPE())
    theirs.pre_tokenizer, theirs.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    theirs.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(vocab_size=298, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    tokens = BYTE_PAIRS.encode(TEXT)
    assert tokens.tolist() == theirs.encode(TEXT).ids
    assert len(tokens) < len(TEXT.encode())
    for token in range(theirs.get_vocab_size()):
        assert BYTE_PAIRS.decode([token]) == theirs.decode([token])
    assert tokenizers.token_bytes(BYTE_PAIRS)[BYTE_PAIRS.end] == b""


def test_words_are_numbered_by_frequency_and_then_by_alphabet():
    texts = ["b a a c", "c b a d"]
    counts = Counter(" ".join(texts).split())
    tokenizer = tokenizers.word_tokenizer(texts, special=())
    assert list(tokenizer.tokens) == sorted(counts, key=lambda word: (-counts[word], word))
    assert tokenizers.word_tokenizer(texts, special=("unknown",), minimum=2).tokens == (
        "<unknown>",
        "a",
        "b",
        "c",
    )
    assert tokenizers.word_tokenizer(texts, special=("unknown",), vocabulary=3).tokens == (
        "<unknown>",
        "a",
        "b",
    )


def test_words_lower_cased_or_split_otherwise():
    lower = tokenizers.word_tokenizer("The the THE", lower=True, special=())
    assert lower.tokens == ("the",)
    assert lower.encode("tHe").tolist() == [0]
    lines = tokenizers.word_tokenizer("a @-@ b\nb\n", pattern=r"\S+|\n", special=())
    assert [lines.tokens[token] for token in lines.encode("b @-@\na")] == ["b", "@-@", "\n", "a"]


def test_groups_of_a_pattern_are_no_words():
    grouped = tokenizers.word_tokenizer("ab 12 ab", pattern=r"([a-z])+|([0-9]+)", special=())
    assert grouped.tokens == ("ab", "12")
    assert grouped.encode("12 ab").tolist() == [1, 0]
    with pytest.raises(JnnError, match=r"got '\(' \(.*, expected a regular expression"):
        tokenizers.word_tokenizer("a b", pattern="(")


def test_a_word_that_looks_special_is_a_word():
    tokenizer = tokenizers.word_tokenizer("<unknown> x", pattern=r"\S+", special=("unknown",))
    assert tokenizer.encode("<unknown> y").tolist() == [1, 0]


def test_unknown_characters_are_marked_or_refused_with_their_place():
    assert ALL["characters"].decode(ALL["characters"].encode("Tom X")) == "Tom \ufffd"
    with pytest.raises(
        JnnError,
        match=r"the character 'é' \(U\+00E9\) at position 3, "
        r"expected the 3 characters .*special=\('unknown',\)",
    ):
        tokenizers.character_tokenizer("abc").encode("abcéè")


def test_unknown_words_are_refused_with_their_place():
    with pytest.raises(JnnError, match=r"the word 'bird' at position 4, expected the 2 words"):
        tokenizers.word_tokenizer("the cat", special=()).encode("the bird")


@pytest.mark.parametrize(
    "make", [tokenizers.character_tokenizer, tokenizers.word_tokenizer], ids=["characters", "words"]
)
@pytest.mark.parametrize("nothing", ["", [], ["", ""]], ids=repr)
def test_empty_text_has_no_vocabulary(make, nothing):
    with pytest.raises(
        JnnError, match=r"got (empty|no) text, expected text to take the vocabulary from"
    ):
        make(nothing)


def test_impossible_vocabularies_are_refused():
    with pytest.raises(JnnError, match=r"no word at least 2 times"):
        tokenizers.word_tokenizer("a b c", minimum=2)
    with pytest.raises(JnnError, match=r"vocabulary=2.*larger than the 2 special tokens"):
        tokenizers.word_tokenizer("a b c", vocabulary=2)
    with pytest.raises(JnnError, match=r"vocabulary=256, expected at least 257"):
        tokenizers.byte_pair_tokenizer("abc", vocabulary=256, special=("end",))
    for special in (("stop",), ("end", "end"), "end"):
        with pytest.raises(
            JnnError, match=r"expected different names out of padding, unknown, start, end"
        ):
            tokenizers.character_tokenizer("abc", special=special)


def test_what_is_not_text_is_refused():
    for tokenizer in ALL.values():
        with pytest.raises(JnnError, match=r"got a list, expected one text"):
            tokenizer.encode(["a"])
    with pytest.raises(JnnError, match=r"the lone surrogate U\+D800 at position 1"):
        BYTE_PAIRS.encode("a\ud800")


@for_all_kinds
def test_tokens_out_of_range_are_refused_with_their_place(tokenizer):
    last = tokenizer.vocabulary - 1
    for wrong in (last + 1, -1):
        with pytest.raises(
            JnnError, match=rf"token {wrong} at position 1, expected tokens from 0 to {last}"
        ):
            tokenizer.decode([0, wrong])
    with pytest.raises(
        JnnError, match=r"float64 of shape \(1,\), expected integers of shape \(T,\)"
    ):
        tokenizer.decode([1.0])
    with pytest.raises(JnnError, match=r"shape \(1, 1\)"):
        tokenizer.decode([[1]])


def test_a_special_token_that_is_not_there_is_reported():
    with pytest.raises(
        JnnError, match=r"got padding, unknown, expected a token 'end'.*special=\('end', ...\)"
    ):
        _ = ALL["characters"].end


@for_all_kinds
def test_a_file_brings_the_tokenizer_back(tokenizer, tmp_path):
    tokenizers.write_tokenizer(tmp_path / "tokenizer.json", tokenizer)
    again = tokenizers.read_tokenizer(tmp_path / "tokenizer.json")
    assert again == tokenizer
    assert again.fingerprint == tokenizer.fingerprint
    assert np.array_equal(again.encode(TEXT), tokenizer.encode(TEXT))
    assert again.decode(again.encode(TEXT)) == tokenizer.decode(tokenizer.encode(TEXT))
    tokenizers.check_same_tokenizer(again, tokenizer)


@for_all_kinds
def test_an_altered_file_is_refused(tokenizer, tmp_path):
    data = json.loads(json.dumps(tokenizer.to_json()))
    data["special"]["padding"], data["special"]["end"] = (
        data["special"].get("end", 1),
        data["special"]["padding"],
    )
    with pytest.raises(JnnError, match=r"fingerprint .* altered"):
        tokenizers.from_json(data)
    with pytest.raises(JnnError, match=r"expected what a tokenizer's to_json gives"):
        tokenizers.from_json({**tokenizer.to_json(), "kind": "syllables"})
    path = tmp_path / "tokenizer.json"
    with pytest.raises(JnnError, match=r"tokenizer.json: got no such file"):
        tokenizers.read_tokenizer(path)
    path.write_text(json.dumps(data)[:-20])
    with pytest.raises(JnnError, match=r"tokenizer.json: got JSONDecodeError"):
        tokenizers.read_tokenizer(path)


def test_a_tokenizer_that_is_not_the_runs_is_refused():
    run, other = tokenizers.character_tokenizer("abd"), tokenizers.character_tokenizer("abc")
    message = (
        r"run: got characters with 3 tokens, fingerprint \w{12}, "
        r"expected that of the run: .* Token 2 is 'c' in place of 'd'"
    )
    with pytest.raises(JnnError, match=message):
        tokenizers.check_same_tokenizer(other, run, "run")
    with pytest.raises(JnnError, match=r"got byte pairs with 300 tokens"):
        tokenizers.check_same_tokenizer(BYTE_PAIRS, run)
    assert len({tokenizer.fingerprint for tokenizer in (run, other, *ALL.values())}) == 5


def hugging_face(path, **changes):
    """A file as it is published: with an added token, truncation, padding and a template of special
    tokens.
    """
    tokenizer = HuggingFace(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=changes.pop("add_prefix_space", False)
    )
    alphabet = changes.pop("alphabet", pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"]
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    tokenizer.save(str(path))
    return tokenizer


@settings(max_examples=50)
@given(st.text() | st.just("a<|endoftext|>b"))
def test_a_published_file_is_read_and_brings_any_text_back(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "tokenizer.json"
    theirs = hugging_face(path) if not path.exists() else HuggingFace.from_file(str(path))
    ours = tokenizers.read_byte_pairs(path, special={"end": "<|endoftext|>"})
    assert ours.end == theirs.token_to_id("<|endoftext|>")
    assert ours.decode(ours.encode(text)) == text
    assert ours.end not in ours.encode(text)
    theirs.no_truncation()
    theirs.no_padding()
    if "<|" not in text:
        assert ours.encode(text).tolist() == theirs.encode(text).ids


def test_a_run_that_goes_on_keeps_its_tokenizer(tmp_path):
    path, tokenizer = tmp_path / "tokenizer.json", tokenizers.character_tokenizer("abc")
    for _ in range(2):
        tokenizers.keep_tokenizer(path, tokenizer)
    assert tokenizers.read_tokenizer(path) == tokenizer
    with pytest.raises(JnnError, match="Token 2 is 'd' in place of 'c'"):
        tokenizers.keep_tokenizer(path, tokenizers.character_tokenizer("abd"))
    assert tokenizers.read_tokenizer(path) == tokenizer


def test_files_without_an_exact_round_trip_are_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    changing = [
        {"normalizer": make()}
        for make in (normalizers.Lowercase, normalizers.NFC, normalizers.NFKC, normalizers.Strip)
    ]
    for changes in (*changing, {"add_prefix_space": True}):
        hugging_face(path, **changes)
        with pytest.raises(JnnError, match=r"changes text, expected an exact round trip"):
            tokenizers.read_byte_pairs(path)
    hugging_face(path, alphabet=[])
    with pytest.raises(JnnError, match=r"no token for \d+ of the 256 bytes"):
        tokenizers.read_byte_pairs(path)


def test_missing_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(JnnError, match=r"tokenizer.json: got no such file"):
        tokenizers.read_byte_pairs(path)
    path.write_text("{}")
    with pytest.raises(JnnError, match=r"expected a tokenizer.json of Hugging Face's"):
        tokenizers.read_byte_pairs(path)
    path.write_text("[" * 100_000)
    for read in (tokenizers.read_byte_pairs, tokenizers.read_tokenizer):
        with pytest.raises(JnnError, match=r"tokenizer.json: got RecursionError"):
            read(path)
    hugging_face(path)
    data = json.loads(path.read_text())
    model = {**data["model"], "vocab": {**data["model"]["vocab"], "zz": 4_000_000_000}}
    path.write_text(json.dumps({**data, "model": model}))
    with pytest.raises(JnnError, match=r"got the token 4000000000, expected tokens below"):
        tokenizers.read_byte_pairs(path)
    model = {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}
    path.write_text(json.dumps({**data, "model": model}))
    with pytest.raises(JnnError, match=r"expected a tokenizer.json of Hugging Face's"):
        tokenizers.read_byte_pairs(path)
    hugging_face(path)
    with pytest.raises(JnnError, match=r"no token '<s>'"):
        tokenizers.read_byte_pairs(path, special={"start": "<s>"})


@for_all_kinds
def test_a_byte_order_mark_changes_no_tokenizer(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizers.write_tokenizer(path, tokenizer)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert tokenizers.read_tokenizer(path) == tokenizer


def test_without_the_extra_the_command_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for call in (
        lambda: tokenizers.byte_pair_tokenizer("abc", vocabulary=300),
        lambda: tokenizers.from_json(BYTE_PAIRS.to_json()),
    ):
        with pytest.raises(MissingExtraError, match=r'pip install -e "\.\[text\]"'):
            call()
