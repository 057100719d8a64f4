"""The report of face verification: whether two photographs show the same person, by embeddings.

>>> rng, label = np.random.default_rng(0), np.arange(18) % 3
>>> embedding, image = np.eye(3)[label] + rng.normal(0, 0.1, (18, 3)), rng.random((18, 8, 8, 1))
>>> [section.title for section in errors(label, {"network": embedding})]
['Comparison of methods', 'ROC curves', 'Similarity histogram']
>>> people = ["Ann", "Bob", "Cy"]
>>> len(report(image, label, {"network": embedding}, people, mapped=["network"]))
6
>>> [section.title for section in photographs(image, label, embedding, ["Ann", "Bob", "Cy"])]
['Nearest neighbours', 'Hardest pairs']
"""

from collections.abc import Mapping, Sequence

import numpy as np

from jnn.explain.page.report import Section
from jnn.explain.results import faces
from jnn.explain.results.reconstruction import class_map
from jnn.scores import verification
from jnn.tables import metric_table

PROBES = 6
"""People whose nearest neighbours are drawn, those first who have the least similar photographs."""


def report(
    image: np.ndarray,
    label: np.ndarray,
    embeddings: Mapping[str, np.ndarray],
    names: Sequence[str],
    *,
    mapped: Sequence[str],
) -> list[Section]:
    """Scores, errors at all thresholds, hard photographs, and maps of the embeddings.

    ``image`` ``(N, H, W, C)`` shows the people ``label`` ``(N,)``, numbers of ``names``;
    ``embeddings`` are those of each method, ``(N, D)``, that of the model first, and ``mapped`` the
    methods whose embeddings are drawn as maps.
    """
    people, label = np.unique(label, return_inverse=True)
    present = [names[int(k)] for k in people]
    return [
        *errors(label, embeddings),
        *photographs(image, label, next(iter(embeddings.values())), present),
        *embedding_maps(label, {name: embeddings[name] for name in mapped}, present),
    ]


def errors(label: np.ndarray, embeddings: Mapping[str, np.ndarray]) -> list[Section]:
    """Scores and ROC curves of all methods, and the similarities of all pairs by the first.

    ``label`` (N,) are the people, ``embeddings`` the ``(N, D)`` of each method.
    """
    scores = {name: verification.summarize(z, label) for name, z in embeddings.items()}
    pairs = verification.all_pairs(label)
    cosines = {name: verification.similarities(z, pairs) for name, z in embeddings.items()}
    curves = {name: verification.roc(values, pairs.same) for name, values in cosines.items()}
    first = next(iter(embeddings))
    threshold = verification.equal_error_threshold(curves[first])
    return [
        Section(
            "Comparison of methods",
            "On all pairs of photographs of the test part, whose people no method was fitted to.",
            metric_table(scores),
        ),
        Section(
            "ROC curves",
            "Each line is one method at all thresholds. A dot is where it rejects as many pairs of "
            "the same person as it accepts of different people.",
            faces.roc_curves(curves),
        ),
        Section(
            "Similarity histogram",
            "The dashed line is the threshold at which both errors are equal. It was chosen on "
            "these pairs: a threshold for use is chosen on other people.",
            faces.similarity_histogram(cosines[first], pairs.same, threshold=threshold),
        ),
    ]


def photographs(
    image: np.ndarray, label: np.ndarray, embedding: np.ndarray, names: Sequence[str]
) -> list[Section]:
    """The nearest neighbours of unusual photographs, and the hardest pairs.

    ``image`` (N, H, W, C), ``label`` (N,), ``embedding`` (N, D), ``names`` those of the labels.
    """
    pairs = verification.all_pairs(label)
    similarity = verification.similarities(embedding, pairs)
    cosines = np.eye(len(label))
    cosines[pairs.first, pairs.second] = cosines[pairs.second, pairs.first] = similarity
    # of each photograph, the similarity to the least similar one of the same person
    least = np.where(label[:, None] == label[None], cosines, np.inf).min(axis=1)
    of_person = [np.flatnonzero(label == k) for k in np.unique(label)]
    unusual = np.array([rows[np.argmin(least[rows])] for rows in of_person])
    probes = unusual[np.argsort(least[unusual])[:PROBES]]
    return [
        Section(
            "Nearest neighbours",
            "On the left, the photograph of a person that is least similar to another of the same; "
            f"then, of all others, the most similar. {len(probes)} of {len(unusual)} people.",
            faces.nearest_faces(image, cosines, label, names, probes),
        ),
        Section(
            "Hardest pairs",
            "The pairs of one person that are least similar, and of two people that are most.",
            faces.hardest_pairs(image, similarity, pairs, label, names),
        ),
    ]


def embedding_maps(
    label: np.ndarray, embeddings: Mapping[str, np.ndarray], names: Sequence[str]
) -> list[Section]:
    """The embeddings of each method in two dimensions; for at most 20 people."""
    maps = {name: _t_sne(embedding) for name, embedding in embeddings.items()}
    return [
        Section(
            "Embedding maps",
            "Each dot is a photograph, in the colour of its person, near those that are similar to "
            "it (t-SNE of the cosines).",
            class_map(maps, label, names),
        )
    ]


def _t_sne(embedding: np.ndarray) -> np.ndarray:
    """Two numbers for each embedding ``(N, D)``, by t-SNE: ``(N, 2)``."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # threads that wait for each other take longer than one
        tsne = TSNE(perplexity=10, metric="cosine", init="random", random_state=0)
        return tsne.fit_transform(embedding)
