"""Which folders training can begin with."""

import pytest

from jnn.errors import JnnError
from jnn.interop.pretrained import pretrained_decoder
from tests.interop import tiny


@pytest.mark.parametrize("name", ["bert", "vit", "t5"])
def test_a_family_that_does_not_fit_the_task_is_refused_with_those_that_do(pretrained, name):
    those = "bloom, gemma.*, gpt2, .*llama.*, qwen3"
    with pytest.raises(JnnError, match=f"of the family {name}.*the next token.*{those}"):
        pretrained_decoder(pretrained(name))


def test_a_decoder_needs_a_tokenizer_that_fits_its_vocabulary(tmp_path):
    folder = tiny.decoder(tmp_path / "gpt2")
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"vocab_size": 262', '"vocab_size": 9'))
    with pytest.raises(JnnError, match=r"got 262 tokens, as .*, expected at most 9, the vocab"):
        pretrained_decoder(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(JnnError, match=r"got no tokenizer.json, expected one to read texts with"):
        pretrained_decoder(folder)
