"""What the report of translations shows."""

from jnn.explain.sections import translation
from jnn.scores.translation import bleu

SOURCES = ["go on now please .", "stop right there now .", "go ."]
TRANSLATIONS = ["sigue ya por favor .", "para ahora mismo ahí .", "ve ."]
REFERENCES = [("sigue ya por favor .",), ("párate ahora mismo ahí .", "alto ."), ("vete .", "ve .")]


def test_a_translation_that_is_a_reference_is_marked():
    (section,) = translation.examples(SOURCES, TRANSLATIONS, REFERENCES)
    rows = section.figure.splitlines()[1:]
    assert [row.startswith("=") for row in rows] == [True, False, True]
    assert rows[1].endswith("párate ahora mismo ahí .")
    assert rows[2].split("  ")[-1] == "ve ."


def test_bleu_of_each_length():
    (section,) = translation.bleu_by_length(SOURCES, TRANSLATIONS, REFERENCES)
    rows = [row.split() for row in section.figure.splitlines()[1:]]
    of_five = bleu(TRANSLATIONS[:2], REFERENCES[:2])
    assert 0 < of_five < 1
    assert [row[:3] for row in rows] == [["2", "1", "0.000"], ["5", "2", f"{of_five:.3f}"]]
