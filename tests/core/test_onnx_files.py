"""ONNX files are written for any number of rows, and only if onnxruntime computes what is expected."""

import sys
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from latentmap.core.errors import ExportError, MissingPackageError
from latentmap.core.onnx_files import check_onnx_packages, write_onnx


class Weighted(nn.Module):
    def forward(self, values: Tensor, weights: Tensor) -> Tensor:
        return values * weights


INPUTS = {name: np.random.default_rng(i).random((4, 3), np.float32) for i, name in enumerate(("values", "weights"))}


def test_several_inputs_of_any_number_of_rows(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "weighted.onnx"
    expected = INPUTS["values"] * INPUTS["weights"]
    write_onnx(path, Weighted(), INPUTS, "products", expected, max_difference=1e-6, reference="numpy")
    session = onnxruntime.InferenceSession(path)
    assert [one.name for one in session.get_inputs()] == ["values", "weights"]
    assert [one.name for one in session.get_outputs()] == ["products"]
    for n in (1, 4):
        (found,) = session.run(None, {name: values[:n] for name, values in INPUTS.items()})
        np.testing.assert_allclose(found, expected[:n], rtol=1e-6)


def test_a_file_says_nothing_about_the_machine_that_wrote_it(tmp_path):
    path = tmp_path / "weighted.onnx"
    expected = INPUTS["values"] * INPUTS["weights"]
    write_onnx(path, Weighted(), INPUTS, "products", expected, max_difference=1e-6, reference="numpy")
    assert Path(__file__).name.encode() not in path.read_bytes()


@pytest.mark.parametrize("wrong", [0.5, np.nan])
def test_a_file_that_computes_something_else_is_not_written(tmp_path, wrong):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ExportError, match=r"onnxruntime differs from numpy by .* more than 0\.1: the file is not"):
        write_onnx(
            tmp_path / "x.onnx",
            Weighted(),
            INPUTS,
            "products",
            INPUTS["values"] * INPUTS["weights"] + np.float32(wrong),
            max_difference=0.1,
            reference="numpy",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, package):
    for name in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, sys)  # none of them needs to be there for this
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"package {package}: pip install 'latentmap\[onnx\]'"):
        check_onnx_packages()
