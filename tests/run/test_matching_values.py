"""Matching of given values to images by row, path and id, and what is said where they do not match."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from latentmap.core.errors import SourceError
from latentmap.images import ImageCollection
from latentmap.images.image_table import make_image_table
from latentmap.images.listing import Skipped
from latentmap.run.given import GivenValues, match_values, read_vectors


def images(*paths: str, **columns) -> ImageCollection:
    table = make_image_table(paths, pa.table(columns))
    return ImageCollection(np.zeros((len(paths), 4, 4), np.uint8), table)


def given(keys: list[str] | None, key: str | None = "path") -> GivenValues:
    values = np.arange(2 * len(keys or "123")).reshape(-1, 2)
    return replace(read_vectors(values), key=key if keys else None, keys=keys, name="z.csv")


def rows(keys: list[str], collection: ImageCollection, key: str = "path") -> list[int]:
    found = match_values(given(keys, key), collection).rows
    assert found is not None
    return found.tolist()


def test_values_without_a_key_belong_to_images_by_row():
    found = match_values(given(None), images("a.png", "b.png", "c.png"))
    assert found.rows is None
    assert found.n_unused == 0


def test_another_number_of_rows_is_met_with_counts_and_the_first_without_a_partner():
    with pytest.raises(SourceError, match=re.escape("3 vectors for 4 images, image 3 ('d.png') has none")):
        match_values(given(None), images("a.png", "b.png", "c.png", "d.png"))
    fewer = replace(images("a.png", "b.png"), skipped=[Skipped("c.png", "broken")])
    with pytest.raises(SourceError, match=re.escape("3 vectors for 2 images (1 file skipped), row 2 is of no image")):
        match_values(given(None), fewer)


def test_paths_match_in_any_order_and_rows_of_other_images_are_left_over():
    found = match_values(given(["c.png", "x.png", "a.png", "b.png"]), images("a.png", "b.png", "c.png"))
    assert found.rows is not None
    assert found.rows.tolist() == [2, 3, 0]
    assert found.n_unused == 1


@pytest.mark.parametrize(
    ("keys", "paths", "expected"),
    [
        (["./cats/1.png", "dogs\\1.png"], ["dogs/1.png", "cats/1.png"], [1, 0]),
        (["/data/cats/1.png", "/data/dogs/1.png"], ["dogs/1.png", "cats/1.png"], [1, 0]),  # ends in the path
        (["/elsewhere/1.png", "/elsewhere/2.png"], ["cats/2.png", "dogs/1.png"], [1, 0]),  # the only one of its name
        (["a.tif", "b.tif"], ["b.tif[0]", "b.tif[1]", "a.tif"], [1, 1, 0]),  # pages of a file
        (["b.tif[1]", "b.tif[0]", "a.tif"], ["b.tif[0]", "b.tif[1]", "a.tif"], [1, 0, 2]),
    ],
)
def test_paths_match_as_people_write_them(keys, paths, expected):
    assert rows(keys, images(*paths)) == expected


@pytest.mark.parametrize("keys", [["1.png", "2.png"], ["x/1.png", "y/1.png"]])
def test_a_name_that_several_images_have_matches_none(keys):
    with pytest.raises(SourceError, match="no vector for 2 of 2 images, the first are 'cats/1.png', 'dogs/1.png'"):
        rows(keys, images("cats/1.png", "dogs/1.png"))


def test_images_without_a_row_are_named_with_the_rows_that_are_left():
    with pytest.raises(SourceError) as error:
        rows(["a.png", "y.png", "z.png"], images("a.png", "b.png", "c.png"))
    assert str(error.value) == (
        "z.csv: no vector for 2 of 3 images, the first are 'b.png', 'c.png'; 2 rows of it belong to no image, the "
        "first have path 'y.png', 'z.png': give a vector for each image"
    )


def test_a_path_or_an_id_that_occurs_twice_is_refused():
    with pytest.raises(SourceError, match=r"rows 0 and 2 have the same path, 'a\.png': keep one of them"):
        rows(["a.png", "b.png", "a.png"], images("a.png", "b.png"))


def test_ids_are_numbers_of_images_unless_the_source_has_its_own():
    assert rows(["2", "0", "1"], images("a.png", "b.png", "c.png"), "id") == [1, 2, 0]
    own = images("a.png", "b.png", id_=["x7", "x9"])
    assert rows(["x9", "x7"], own, "id") == [1, 0]
    with pytest.raises(SourceError, match="or leave out its column id to match by row"):
        rows(["0", "1"], own, "id")


def test_values_of_some_of_the_images():
    found = match_values(given(["c.png", "a.png", "b.png"]), images("a.png", "b.png", "c.png"))
    assert found.take(np.array([0, 2])).rows.tolist() == [1, 0]
    assert match_values(given(None), images("a", "b", "c")).take(np.array([2])).rows.tolist() == [2]
    assert found.key != found.take(np.array([0, 2])).key
