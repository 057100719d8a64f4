"""Tokenizers of pretrained models, beside Hugging Face's own encoding."""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from jnn.data.tokenizers import from_json, read_pretrained_tokenizer
from jnn.errors import JnnError


@pytest.fixture
def path(tmp_path):
    """A tokenizer like BERT's: of word pieces in lower case, with a template and truncation."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "net", "##work", "##s", "learn"]
    model = models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


NAMES = {"pad_token": "[PAD]", "cls_token": {"content": "[CLS]"}, "sep_token": "[SEP]", "x": 3}


def test_text_is_encoded_whole_and_without_special_tokens(path):
    tokenizer = read_pretrained_tokenizer(path, NAMES | {"unk_token": "[UNK]", "bos_token": None})
    theirs = Tokenizer.from_file(str(path))
    theirs.no_truncation()
    text = "Networks learn networks"
    tokens = tokenizer.encode(text).tolist()
    assert tokens == theirs.encode(text, add_special_tokens=False).ids == [4, 5, 6, 7, 4, 5, 6]
    assert tokenizer.decode([2, *tokens, 3, 0]) == "networks learn networks"
    assert tokenizer.special == {"padding": 0, "unknown": 1, "start": 2, "end": 3}
    assert not {2, 3} & set(tokenizer.encode("[CLS] learn [SEP]").tolist())
    assert tokenizer.vocabulary == 8


def test_it_is_saved_as_any_other(path):
    tokenizer = read_pretrained_tokenizer(path, NAMES)
    again = from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert again == tokenizer
    assert again.encode("learn").tolist() == [7]


def test_damaged_files_and_text_without_bytes_are_refused(path):
    tokenizer = read_pretrained_tokenizer(path, NAMES)
    with pytest.raises(JnnError, match=r"got the lone surrogate U\+D800 at position 1"):
        tokenizer.encode("a\ud800")
    with pytest.raises(JnnError, match=r"got token 8 at position 0"):
        tokenizer.decode([8])
    path.write_text('{"model": 3}')
    with pytest.raises(JnnError, match=r"expected a tokenizer.json of Hugging Face's"):
        read_pretrained_tokenizer(path, NAMES)
