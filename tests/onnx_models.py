"""Small ONNX models for the tests of encoders, made with onnx.helper."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, BYTE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
WEIGHTS = np.random.default_rng(0).standard_normal((6, 3), np.float32)


def save(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: dict[str, tuple[int, list[Any]]],
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a model of nodes, with inputs and outputs by name as (type, shape)."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *one) for name, one in inputs.items()],
        [helper.make_tensor_value_info(name, *one) for name, one in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def mean_color_encoder(path: Path, *, layout: str = "NCHW", size: Any = 8, kind: int = FLOAT, batch: Any = "n") -> Path:
    """An encoder whose vector is a matrix (6, 3) times the mean colour of the image."""
    shape = [batch, 3, size, size] if layout == "NCHW" else [batch, size, size, 3]
    axes = [2, 3] if layout == "NCHW" else [1, 2]
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"], axes=axes, keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["embedding"]),
    ]
    return save(
        path, nodes, {"pixels": (kind, shape)}, {"embedding": (FLOAT, [batch, 6])}, {"weights": WEIGHTS.T.copy()}
    )


def convolution_encoder(path: Path, *, size: int = 16, channels: int = 1) -> Path:
    """An encoder whose output is a map of features (n, 5, size / 2, size / 2)."""
    kernel = np.random.default_rng(1).standard_normal((5, channels, 2, 2), np.float32)
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["features"]),
    ]
    half = size // 2
    return save(
        path,
        nodes,
        {"pixels": (FLOAT, ["n", channels, size, size])},
        {"features": (FLOAT, ["n", 5, half, half])},
        {"kernel": kernel},
    )


def token_encoder(path: Path) -> Path:
    """An encoder with the outputs of a transformer: last_hidden_state (n, 4, 3), and logits."""
    nodes = [
        helper.make_node("Reshape", ["pixel_values", "rows"], ["rows_of_colors"]),
        helper.make_node("Transpose", ["rows_of_colors"], ["last_hidden_state"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["last_hidden_state"], ["logits"], axes=[1], keepdims=0),
    ]
    return save(
        path,
        nodes,
        {"pixel_values": (FLOAT, ["batch_size", "num_channels", "height", "width"])},
        {"logits": (FLOAT, ["batch_size", 3]), "last_hidden_state": (FLOAT, ["batch_size", 4, 3])},
        {"rows": np.array([0, 3, -1])},
    )


def stretched_encoder(path: Path, *, size: int = 16) -> Path:
    """An encoder whose vector has the mean of each channel in the left and the right half, and of the squares."""
    nodes = [
        helper.make_node("Slice", ["pixels", "left", "middle", "axis"], ["left_half"]),
        helper.make_node("Slice", ["pixels", "middle", "right", "axis"], ["right_half"]),
        helper.make_node("Mul", ["pixels", "pixels"], ["squares"]),
        *(
            helper.make_node("ReduceMean", [name], [f"{name}_mean"], axes=[2, 3], keepdims=0)
            for name in ("left_half", "right_half", "squares")
        ),
        helper.make_node("Concat", ["left_half_mean", "right_half_mean", "squares_mean"], ["embedding"], axis=1),
    ]
    places = {"left": 0, "middle": size // 2, "right": size, "axis": 3}
    return save(
        path,
        nodes,
        {"pixels": (FLOAT, ["n", 3, size, size])},
        {"embedding": (FLOAT, ["n", 9])},
        {name: np.array([place]) for name, place in places.items()},
    )
