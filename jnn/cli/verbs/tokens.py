"""``jnn tokens``: texts as tokens in files, to train on text that is larger than memory."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jnn.cli.arguments import Parser
from jnn.errors import mistake
from jnn.wording import tell

if TYPE_CHECKING:
    from jnn.data.tokenizers import Tokenizer

EXAMPLES = (
    "jnn tokens book.txt another.txt --out tokens --vocabulary 8192",
    "jnn tokens train.jsonl --validation valid.jsonl --test test.jsonl --out tokens",
    "jnn tokens - --out tokens --tokenizer tokenizer.json < corpus.txt",
)
LEARNED = 2**25
"""Characters that a vocabulary is learned from, at most."""
STDIN = "-"
SAID_EVERY = 30.0  # seconds


def main(argv: list[str]) -> int:
    """Write the tokens of text files into a folder, whose path is printed."""
    arguments = _parse(argv)
    from jnn.data.token_files import (
        check_new,
        token_files,
        tokens_of_documents,
        write_token_files,
    )

    folder = Path(arguments.out)
    check_new(folder)
    tokenizer = _tokenizer(arguments)
    if "end" not in tokenizer.special:
        tell("the tokenizer has no token of an end: documents follow each other without one")
    counted = Counted()
    part = lambda names: tokens_of_documents(
        counted.read(_documents(names, arguments.field)), tokenizer
    )
    count = write_token_files(
        folder,
        part(arguments.files),
        validation=part(arguments.validation),
        test=part(arguments.test),
        vocabulary=tokenizer.vocabulary,
        tokenizer=tokenizer,
    )
    parts = token_files(folder, contents=False).parts
    sizes = {"tokens": count, **{name: stop - start for name, (start, stop) in parts.items()}}
    sizes |= {"vocabulary": tokenizer.vocabulary}
    sizes |= {"documents": counted.documents, "characters": counted.characters}
    tell(", ".join(f"{name} {number:,}" for name, number in sizes.items()))
    if arguments.json:
        print(json.dumps({"folder": str(folder.absolute()), **sizes}))
    else:
        print(folder.absolute())
    return 0


class Counted:
    """Documents that are counted as they are read, with their characters, and reported."""

    def __init__(self, *, every: float = SAID_EVERY):
        self._every, self._said = every, time.monotonic()
        self.documents = self.characters = 0

    def read(self, documents: Iterable[Iterable[str]]) -> Iterator[Iterator[str]]:
        """The documents, counted as they are taken."""
        for document in documents:
            self.documents += 1
            yield map(self._counted, document)

    def _counted(self, piece: str) -> str:
        self.characters += len(piece)
        if (now := time.monotonic()) - self._said > self._every:
            self._said = now
            tell(f"{self.characters:,} characters read")
        return piece


def _documents(names: Iterable[str], field: str) -> Iterator[Iterator[str]]:
    from jnn.data.text_pieces import documents, pieces

    for name in names:
        if name == STDIN:
            yield pieces(sys.stdin.buffer, "standard input")
        else:
            yield from documents([name], field=field)


def _tokenizer(arguments: argparse.Namespace) -> Tokenizer:
    """The one that is given, or one that is learned from the files."""
    from jnn.data.tokenizers import byte_pair_tokenizer, character_tokenizer, find_tokenizer

    if arguments.tokenizer:
        return find_tokenizer(arguments.tokenizer)
    if STDIN in arguments.files:  # a vocabulary is learned from what is trained on
        raise mistake(
            "jnn tokens",
            got="standard input, which can be read once",
            expected="a --tokenizer",
            remedy="To learn a vocabulary, name files.",
        )
    if arguments.vocabulary == 0:
        documents = _documents(arguments.files, arguments.field)
        characters = set().union(*itertools.chain.from_iterable(documents))
        return character_tokenizer("".join(sorted(characters)), special=("unknown", "end"))
    share = LEARNED // len(arguments.files)
    beginnings = [
        piece for name in arguments.files for piece in _beginning(name, arguments.field, share)
    ]
    tell(f"learning byte pairs from {sum(map(len, beginnings)):,} characters")
    return byte_pair_tokenizer(beginnings, vocabulary=arguments.vocabulary, special=("end",))


def _beginning(name: str, field: str, share: int) -> Iterator[str]:
    """The first pieces of a file, of so many characters together."""
    from jnn.data.text_pieces import documents

    for piece in itertools.chain.from_iterable(documents([name], field=field)):
        yield piece[:share]
        share -= len(piece)
        if share <= 0:
            return


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    about = (
        "Write texts as tokens in files, to train on text that is larger than memory:\n"
        "jnn run text_generation --tokens FOLDER."
    )
    parser = Parser("tokens", about, examples=EXAMPLES)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="text files, a document each; *.jsonl with a document on each line; - for standard "
        "input",
    )
    for part in ("validation", "test"):
        parser.add_argument(
            f"--{part}",
            action="append",
            metavar="FILE",
            default=[],
            help=f"a text for {part} alone, or several by giving it again; without any, the last "
            "twentieth of the tokens, at most 524,288",
        )
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder for them")
    parser.add_argument(
        "--tokenizer",
        default="",
        metavar="PLACE",
        help="a tokenizer.json, or a folder that has one: of a run, a pretrained model, or other "
        "tokens",
    )
    parser.add_argument(
        "--vocabulary",
        type=int,
        metavar="N",
        help="without one: byte pairs, at most N tokens, learned from the beginnings of the files "
        "(32768); 0 for a token for each character",
    )
    parser.add_argument(
        "--field", default="text", metavar="NAME", help="the field of a *.jsonl with the text"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse(list(argv))
    if arguments.tokenizer and arguments.vocabulary is not None:
        got, expected = "--tokenizer and --vocabulary", "one of them: a tokenizer has its own"
        raise mistake("jnn tokens", got=got, expected=expected)
    if [*arguments.files, *arguments.validation, *arguments.test].count(STDIN) > 1:
        got, expected = "standard input twice", "it once: it can be read once"
        raise mistake("jnn tokens", got=got, expected=expected)
    if arguments.vocabulary is None:
        arguments.vocabulary = 2**15
    return arguments
