import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jnn.data.sequence_pairs import sequence_pairs
from jnn.data.sequences import pack, pad, same_document
from jnn.errors import JnnError

SEQUENCES = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=30)


@settings(max_examples=50)
@given(SEQUENCES, st.integers(0, 5))
def test_padding_keeps_every_token_where_it_is_real(sequences, more):
    length = max(map(len, sequences)) + more
    tokens, mask = pad(sequences, length, value=-7)
    assert tokens.dtype == np.int32
    assert tokens.shape == mask.shape == (len(sequences), length)
    assert [row[real].tolist() for row, real in zip(tokens, mask, strict=True)] == sequences
    assert (tokens[~mask] == -7).all()
    assert (mask[:, 1:] <= mask[:, :-1]).all()


def test_truncation_keeps_the_first_tokens_and_is_a_setting():
    tokens, mask = pad([[1, 2, 3], [4]], 2, truncate=True)
    assert tokens.tolist() == [[1, 2], [4, 0]]
    assert mask.tolist() == [[True, True], [True, False]]
    with pytest.raises(
        JnnError,
        match=r"pad: got sequence 1 of 3 tokens, expected at most length=2. "
        r"Choose a larger length, or truncate",
    ):
        pad([[4], [1, 2, 3]], 2)


def first_fit(lengths, length):
    """The rows as a greedy search writes them."""
    rows = []
    for number, n in enumerate(lengths):
        for row in rows:
            if sum(lengths[i] for i in row) + n <= length:
                row.append(number)
                break
        else:
            rows.append([number])
    return rows


@settings(max_examples=50)
@given(SEQUENCES, st.integers(9, 20))
def test_packing_is_first_fit_and_keeps_every_sequence_whole(sequences, length):
    packed = pack(sequences, length, value=-7)
    rows = first_fit([len(sequence) for sequence in sequences], length)
    assert packed.tokens.shape == (len(rows), length)
    for row, numbers in enumerate(rows):
        real = packed.documents[row] >= 0
        assert packed.documents[row][real].tolist() == [
            number for number in numbers for _ in sequences[number]
        ]
        assert packed.tokens[row][real].tolist() == [
            token for number in numbers for token in sequences[number]
        ]
        assert packed.positions[row][real].tolist() == [
            i for number in numbers for i in range(len(sequences[number]))
        ]
        assert (packed.tokens[row][~real] == -7).all()


def test_attention_kept_within_documents_is_attention_over_each_sequence_alone():
    """Packed rows under `same_document` give what each sequence gives by itself, whatever lies
    beside it.
    """
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100, 8)).astype(np.float32)
    sequences = [rng.integers(0, 100, n) for n in (3, 5, 2, 6, 4)]
    attend = lambda x, mask: jax.nn.dot_product_attention(
        x[:, None], x[:, None], x[:, None], mask=mask
    )[:, 0]
    packed = pack(sequences, 10)
    mask = jax.jit(same_document)(packed.documents)[:, None]
    together = jax.jit(jax.vmap(attend))(vectors[packed.tokens], mask)
    attend = jax.jit(attend)
    assert np.isfinite(together).all()
    for number, sequence in enumerate(sequences):
        alone = attend(vectors[sequence], None)
        # Sums over rows of other lengths differ by rounding.
        np.testing.assert_allclose(
            np.asarray(together)[packed.documents == number], alone, atol=1e-6
        )


@pytest.mark.parametrize(
    "call",
    [lambda sequences: pad(sequences, 8), lambda sequences: pack(sequences, 8)],
    ids=["pad", "pack"],
)
def test_what_are_no_sequences_of_tokens_is_refused(call):
    with pytest.raises(JnnError, match=r"got no sequences"):
        call([])
    with pytest.raises(
        JnnError, match=r"got sequence 1 without a token, expected at least one in each"
    ):
        call([[1], []])
    with pytest.raises(
        JnnError, match=r"got sequence 1: float64 of shape \(2,\), expected integers"
    ):
        call([[1], [1.0, 2.0]])
    with pytest.raises(JnnError, match=r"got sequence 0: int64 of shape \(1, 1\)"):
        call([np.array([[1]])])
    with pytest.raises(JnnError, match=r"sequence 1: got the integer 4294967297, .* int32"):
        call([[1], [2, 2**32 + 1]])
    with pytest.raises(JnnError, match=r"got sequence 0 of 9 tokens, expected at most length=8"):
        call([range(9)])


def test_impossible_lengths_are_refused():
    with pytest.raises(JnnError, match=r"value=0.5, expected an integer"):
        pad([[1]], 2, value=0.5)
    with pytest.raises(JnnError, match=r"value=2147483648, expected at most 2147483647"):
        pad([[1]], 2, value=2**31)
    with pytest.raises(JnnError, match=r"length=0"):
        pad([[1]], 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.uint64])
def test_pairs_do_not_depend_on_the_type_of_their_tokens(dtype):
    sources, targets = [[5, 6, 7], [8], [9]], [[3], [], [4, 4]]
    arrays = lambda sequences: [np.array(sequence, dtype) for sequence in sequences]
    for pairs_of in ((sources, targets), (arrays(sources), arrays(targets))):
        pairs = sequence_pairs(*pairs_of, start=300, end=301)
        assert pairs["tokens"].tolist() == [[300, 3, 0], [300, 0, 0], [300, 4, 4]]
        assert pairs["targets"].tolist() == [[3, 301, 0], [301, 0, 0], [4, 4, 301]]
        assert pairs["target_mask"].sum(axis=1).tolist() == [2, 1, 3]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([1.0, 2.0], r"target 1: float64 of shape \(2,\), expected integers of shape \(T,\)"),
        ([[1, 2]], r"target 1: int64 of shape \(1, 2\), expected integers of shape \(T,\)"),
        ([2**40], r"target 1: got the integer 1099511627776, expected integers within int32"),
    ],
)
def test_what_is_no_target_is_refused(target, message):
    with pytest.raises(JnnError, match=message):
        sequence_pairs([[1], [2]], [[3], target], start=1, end=2)
