"""Text classifiers without a network: scikit-learn's, on counts of words and pairs of words."""

from jnn.data.sets.labelled_texts import LabelledSplits
from jnn.data.tokenizers.words import PATTERN


def linear_classifiers(splits: LabelledSplits) -> dict[str, float]:
    """The test accuracy of scikit-learn's classifiers, fitted to training and validation texts.

    Features are TF-IDF weights of words, as `jnn.data.tokenizers.words` splits them, and of pairs
    of words.

    >>> from jnn.data.sets.labelled_texts import LabelledTexts
    >>> import numpy as np
    >>> texts = LabelledTexts(("good film", "bad film", "good plot"), np.array([1, 0, 1]))
    >>> splits = LabelledSplits(texts, texts, texts, ("bad", "good"))
    >>> linear_classifiers(splits)["logistic regression"]
    1.0
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import ComplementNB
    from sklearn.svm import LinearSVC

    train, test = splits.without_validation().train, splits.test
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=PATTERN)
    x, test_x = vectorizer.fit_transform(train.texts), vectorizer.transform(test.texts)

    def score(classifier) -> float:
        return float(classifier.fit(x, train.labels).score(test_x, test.labels))

    return {
        "most frequent class": score(DummyClassifier()),
        "logistic regression": score(LogisticRegression(C=10, max_iter=1000)),
        "linear support vector machine": score(LinearSVC()),
        "complement naive Bayes": score(ComplementNB()),
    }
