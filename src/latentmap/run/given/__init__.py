"""Vectors of images that come from elsewhere: reading them from files and arrays, and matching them to the images."""

from latentmap.run.given.floats import digest_of, float_blocks, unit_vectors
from latentmap.run.given.matching import MatchedValues, describe_given, match_record, match_values
from latentmap.run.given.value_files import GivenValues, read_places, read_vectors

__all__ = [
    "GivenValues",
    "MatchedValues",
    "describe_given",
    "digest_of",
    "float_blocks",
    "match_record",
    "match_values",
    "read_places",
    "read_vectors",
    "unit_vectors",
]
