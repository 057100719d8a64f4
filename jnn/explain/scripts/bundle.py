"""An ES module with all that it imports, as one script that a page contains.

A page that is opened from the disk cannot import from other files. The scripts stay ES modules of
one idea each, which editors and linters understand; when a page is written, those that it needs
are put one after the other, without their ``import`` lines and the word ``export``. So the names
that modules declare are shared: two that declare the same name are refused.
"""

import re
from collections import Counter
from pathlib import Path

from jnn.errors import mistake

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|class|function)\b)", re.MULTILINE)
_DECLARED = re.compile(r"^(?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


def bundle(entry: Path) -> str:
    """The source of a module, after those that it imports, each of them once.

    Imports have the form ``import { a, b } from "./file.js";``. Raises `JnnError` for other forms,
    for a file that is not there, and for a name that two modules declare.
    """
    sources: dict[Path, str] = {}
    _collect(entry.resolve(), sources, [])
    names = Counter(name for source in sources.values() for name in _DECLARED.findall(source))
    if twice := [name for name, count in names.items() if count > 1]:
        got = f"two declarations of {', '.join(twice)}"
        raise mistake(entry.name, got=got, expected="a name for each thing in all modules")
    return "\n".join(sources.values())


def embedded(text: str) -> str:
    """A script as an element of HTML may contain it: nothing in it ends that element.

    >>> embedded('const end = "</script>";')
    'const end = "<\\\\/script>";'
    """
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")


def _collect(path: Path, sources: dict[Path, str], importing: list[Path]) -> None:
    if path in sources:
        return
    if path in importing:
        got = " imports ".join(file.name for file in [*importing, path])
        raise mistake("bundle", got=got, expected="modules that do not import each other")
    if not path.is_file():
        raise mistake("bundle", got=f"an import of {path.name}", expected="a file that is there")
    source = path.read_text(encoding="utf-8")
    for name in _IMPORT.findall(source):
        _collect((path.parent / name).resolve(), sources, [*importing, path])
    source = _EXPORT.sub("", _IMPORT.sub("", source))
    if other := re.search(r"^(import|export)\b.*", source, re.MULTILINE):
        expected = 'import { name } from "./file.js"; and export before a declaration'
        raise mistake(path.name, got=other[0], expected=expected)
    sources[path] = source
