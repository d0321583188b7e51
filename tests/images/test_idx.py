"""IDX files: every type and rank is read, and what is not a whole file is met with a sentence."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentmap.images import IdxError, load_mnist, mnist, read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(values: np.ndarray) -> bytes:
    code = CODES[values.dtype.str[1:]]
    header = bytes([0, 0, code, values.ndim]) + b"".join(struct.pack(">I", size) for size in values.shape)
    return header + values.astype(values.dtype.newbyteorder(">")).tobytes()


arrays = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)


@settings(deadline=None)
@given(values=arrays, compressed=st.booleans())
def test_every_type_and_rank_comes_back(values, compressed, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(gzip.compress(idx_bytes(values)) if compressed else idx_bytes(values))
    read = read_idx(path)
    assert read.dtype == values.dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, values)


@settings(deadline=None, max_examples=200)
@given(values=arrays, compressed=st.booleans(), data=st.data())
def test_a_changed_file_is_refused_or_read_whole(values, compressed, data, tmp_path_factory):
    whole = gzip.compress(idx_bytes(values)) if compressed else idx_bytes(values)
    at = data.draw(st.integers(0, len(whole) - 1))
    broken = data.draw(st.sampled_from([whole[:at], whole + b"\0", whole[:at] + b"\x07" + whole[at + 1 :]]))
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(broken)
    try:
        read = read_idx(path)
    except IdxError as error:
        assert str(path) in str(error)
    else:
        if broken == whole[:at] or len(broken) > len(whole):
            assert compressed  # only gzip has bytes past its end that say nothing
        assert read.size * read.itemsize <= len(broken) * 1100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"begins with bytes \(none\)"),
        (b"\x89PNG....", "begins with bytes 89 50 4e 47, expected 00 00, a type among 08, 09"),
        (b"\0\0\x0a\x01\0\0\0\0", "this is not an IDX file"),
        (b"\0\0\x08\x02\0\0\0", "truncated in the header: 3 of 8 bytes"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "truncated: 3 bytes of values, expected 5"),
        (b"\0\0\x08\x01\0\0\0\x02abc", "more than the 2 bytes"),
        (b"\0\0\x08\xff" + bytes(4 * 255), "255 dimensions"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab", mtime=0)[:-9], "damaged gzip data"),
        (b"\x1f\x8bnothing of the kind", "damaged gzip data"),
    ],
)
def test_damage_is_named(content, words, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(IdxError, match=words):
        read_idx(path)


def test_a_header_that_announces_too_much_takes_no_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\0\0\x08\x02" + b"\xff" * 8 + b"few")
    tracemalloc.start()
    with pytest.raises(IdxError, match="truncated: 3 bytes"):
        read_idx(path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


@pytest.mark.parametrize(("split", "n"), [("train", 60_000), ("test", 10_000), ("all", 70_000)])
def test_mnist_is_whole(split, n):
    images, labels = load_mnist(split)
    assert images.shape == (n, 28, 28)
    assert labels.shape == (n,)
    assert images.dtype == labels.dtype == np.uint8
    assert set(labels.tolist()) == set(range(10))
    assert labels[0] == (7 if split == "test" else 5)


def test_a_damaged_mnist_is_noticed(monkeypatch):
    monkeypatch.setitem(mnist.MNIST_SHA256, "t10k-labels-idx1-ubyte", "0" * 64)
    with pytest.raises(IdxError, match="is not the published file"):
        load_mnist("test")


def test_an_unknown_split_is_met_with_a_sentence():
    with pytest.raises(ValueError, match="split='validation': choose among 'train', 'test', 'all'"):
        load_mnist("validation")
