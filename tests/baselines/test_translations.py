from jnn.baselines.translations import nearest_translations, translation_scores
from jnn.data.sets.synthetic_texts import synthetic_translations
from jnn.data.sets.translations import Translation, TranslationSplits


def test_the_nearest_sentence_shares_the_most_words():
    splits = synthetic_translations()
    for sentence, translation in zip(splits.test, nearest_translations(splits), strict=True):
        words = set(sentence.source.split())
        shared = {
            other.targets[0]: len(words & set(other.source.split()))
            for other in splits.train + splits.validation
        }
        assert shared[translation] == max(shared.values())


def test_a_remembered_translation_has_the_whole_score_and_the_source_none():
    pair = Translation("where is tom now ?", ("dónde está tom ahora ?",))
    splits = TranslationSplits((pair, Translation("go .", ("ve .",))), (), (pair,))
    scores = translation_scores(splits)
    assert scores["copy"] == 0.0
    assert abs(scores["nearest neighbour"] - 1) < 1e-9
