"""A saved model that is damaged, or that a stranger wrote, raises a clear error."""

import copy
import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from latentmap import Autoencoder
from latentmap.core.errors import ModelFileError


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    images = np.random.default_rng(0).integers(0, 255, (20, 8, 8), dtype=np.uint8)
    folder = tmp_path_factory.mktemp("model")
    Autoencoder("dense", latent_dim=3, epochs=1, random_state=0).fit(images).save(folder)
    return folder


@pytest.fixture
def model(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def change(model: Path, **values: object) -> None:
    """Set values of config.json; a name such as parameters__device is one inside another."""
    config = json.loads((model / "config.json").read_text())
    for name, value in values.items():
        inner, _, last = name.rpartition("__")
        (config[inner] if inner else config)[last] = value
    (model / "config.json").write_text(json.dumps(config))


def test_an_undamaged_model_is_loaded(saved):
    assert Autoencoder.load(saved).transform(np.zeros((2, 8, 8), np.uint8)).shape == (2, 3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_shape": []}, "image_shape is a list of 0, not a list of at least 1"),
        ({"image_shape": [0, 8]}, r"image_shape\[0\] is 0, not a whole number of at least 1"),
        ({"image_shape": [2**30, 2**30]}, "does not hold a model"),
        ({"recipe__activation": 3}, "activation=3"),
        ({"recipe__network": "resnet"}, "network='resnet'"),
        ({"recipe__augmentation": None}, "does not hold a model"),
        ({"parameters__activation": 3}, "'activation' parameter .* must be an instance of 'str'"),
        ({"parameters__latent_dim": 10**12}, "do not match latent_dim="),
        ({"parameters__device": "; rm"}, 'device=\'; rm\' is not available on this machine: set "device" to "auto"'),
        ({"parameters__device": "hpu"}, "device='hpu' is not available on this machine"),
        ({"parameters__evil": 1}, "unexpected keyword argument 'evil'"),
        ({"history": [1, 2]}, "history is a list of 2, not an object"),
        ({"history": {"loss": "abc"}}, "history.loss is 'abc', not a list"),
        ({"history": {}}, "'loss' is missing"),
        ({"scale": [255.0, 0.0]}, "the first value must be smaller than the second"),
        ({"scale": ["0", 1]}, r"scale\[0\] is '0', not a number"),
        ({"precision": 7}, "precision is 7, not a text"),
        ({"precision": "int4"}, "precision='int4': choose among"),
        ({"format_version": "2"}, r"format version '2' \(str\), this latentmap reads version 2"),
        ({"format_version": 2.0}, r"format version 2.0 \(float\)"),
        ({"format_version": 1}, "format version 1, this latentmap reads version 2"),
    ],
)
def test_a_config_of_wrong_types_or_sizes_raises_a_clear_error(model, values, words):
    change(model, **values)
    with pytest.raises(ModelFileError, match=words):
        Autoencoder.load(model)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_model_of_a_device_that_is_not_here_says_what_to_do(model):
    change(model, parameters__device="cuda")
    with pytest.raises(ModelFileError, match="device='cuda' is not available on this machine"):
        Autoencoder.load(model)
    change(model, parameters__device="auto")
    Autoencoder.load(model)


@pytest.mark.parametrize("kind", ["garbage", "cut", "empty", "whole numbers", "a weight less", "deep"])
def test_damaged_weights_raise_a_clear_error(model, kind):
    path = model / "weights.safetensors"
    data = path.read_bytes()
    if kind in ("garbage", "empty", "cut"):
        data = {"garbage": b"garbage!" * 9, "empty": b"", "cut": data[: len(data) // 2]}[kind]
    elif kind == "deep":
        data = len(b"[" * 100_000).to_bytes(8, "little") + b"[" * 100_000
    else:
        weights = {name: value.clone() for name, value in Autoencoder.load(model).network_.state_dict().items()}
        latents = {"reference/latents": torch.zeros(20, 3), "reference/errors": torch.zeros(20)}
        if kind == "a weight less":
            del weights["hidden.weight"]
        else:
            weights = {name: value.to(torch.int32) for name, value in weights.items()}
        data = save(weights | latents)
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="its SHA-256 differs"):
        Autoencoder.load(model)
    change(model, weights_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(ModelFileError, match="model|safetensors"):
        Autoencoder.load(model)


def test_a_config_that_is_nested_too_deeply_or_too_large_raises_a_clear_error(model):
    (model / "config.json").write_text("[" * 200_000)
    with pytest.raises(ModelFileError, match="is not JSON"):
        Autoencoder.load(model)
    with (model / "config.json").open("wb") as file:
        file.truncate(2**27)
    with pytest.raises(ModelFileError, match="larger than 64 MiB"):
        Autoencoder.load(model)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**13), 10**13) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_a_config_gives_a_model_or_a_sentence(model, saved, data):
    config = json.loads((saved / "config.json").read_text())
    names = [(outer, None) for outer in config]
    names += [(outer, inner) for outer in ("parameters", "recipe", "history") for inner in config[outer]]
    outer, inner = data.draw(st.sampled_from(names))
    changed = copy.deepcopy(config)
    place, name = (changed, outer) if inner is None else (changed[outer], inner)
    if data.draw(st.booleans()):
        place[name] = data.draw(ANYTHING)
    else:
        del place[name]
    (model / "config.json").write_text(json.dumps(changed))
    with suppress(ModelFileError, ValueError):  # a ValueError of transform: another shape than was asked for
        Autoencoder.load(model).transform(np.zeros((1, 8, 8), np.uint8))
