"""The stages of a run, one file each. Each reads files of earlier stages, writes its own, and returns their names."""

from latentmap.run.stages.decode_stage import decode
from latentmap.run.stages.encode_stage import encode
from latentmap.run.stages.features_stage import compute_features
from latentmap.run.stages.find_stage import find
from latentmap.run.stages.group_stage import group
from latentmap.run.stages.map_stage import make_map
from latentmap.run.stages.report_stage import report, write_results
from latentmap.run.stages.train_stage import train
from latentmap.run.stages.vectors_stage import take_vectors

__all__ = [
    "compute_features",
    "decode",
    "encode",
    "find",
    "group",
    "make_map",
    "report",
    "take_vectors",
    "train",
    "write_results",
]
