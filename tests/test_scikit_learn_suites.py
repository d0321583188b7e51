"""scikit-learn's own tests of KMeans and TSNE, run with our classes in the place of theirs."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import sklearn.cluster
import sklearn.manifold

from latentmap import TSNE, KMeans

PRIVATE = {
    "test_sample_weight_init": "calls the private _init_centroids, which is not how our starts are drawn",
}


@pytest.fixture
def global_random_seed():
    return 42


@pytest.fixture(params=[np.float32, np.float64])
def global_dtype(request):
    return request.param


def load(name: str, package: ModuleType, ours: type) -> ModuleType:
    """The test module, imported while ``package`` holds our class under its own class's name."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    theirs = getattr(package, ours.__name__)
    setattr(package, ours.__name__, ours)
    try:
        spec.loader.exec_module(module)
    finally:
        setattr(package, ours.__name__, theirs)
    assert getattr(module, ours.__name__) is ours
    return module


for _name, _package, _ours in (
    ("sklearn.cluster.tests.test_k_means", sklearn.cluster, KMeans),
    ("sklearn.manifold.tests.test_t_sne", sklearn.manifold, TSNE),
):
    for _test, _function in vars(load(_name, _package, _ours)).items():
        if _test.startswith("test_"):
            _marked = pytest.mark.skip(reason=PRIVATE[_test])(_function) if _test in PRIVATE else _function
            setattr(sys.modules[__name__], f"{_test}_of_{_ours.__name__}", _marked)
