"""MNIST as a source: whole, or its beginning."""

import numpy as np
import pytest

import latentmap
from latentmap.core.errors import InputError
from latentmap.images import load_mnist, open_images


def test_the_first_digits_of_mnist_are_a_source():
    images, labels = load_mnist("all")
    found = open_images("mnist:70")
    assert found.name == "mnist:70"
    assert np.array_equal(found.images, images[:70])
    assert np.array_equal(found.labels, labels[:70])


@pytest.mark.parametrize("source", ["mnist:0", "mnist:70001", "mnist:999999999"])
def test_more_digits_than_there_are_or_none(source):
    with pytest.raises(InputError, match=rf"{source}: there are 70,000 digits: pass mnist, or mnist:N"):
        open_images(source)


@pytest.mark.parametrize("source", ["mnist:", "mnist:-3", "mnist:many", "mnist:1.5"])
def test_other_names_are_paths(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(latentmap.SourceError, match=source):
        open_images(source)
