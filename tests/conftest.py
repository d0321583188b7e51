"""Small collections with known structure, shared by the tests."""

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest
from numpy.typing import NDArray

from latentmap.run.stages import train_stage


@pytest.fixture(scope="session", autouse=True)
def kernels_compiled_in_this_process() -> Iterator[None]:
    """Runs of the tests start no process that compiles kernels ahead: it would take the other tests' time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_stage, "compiling_in_background", nullcontext)
        yield


@pytest.fixture(scope="session")
def bars() -> NDArray[np.uint8]:
    """300 images of 12×10: one bright bar, whose place is all there is to know."""
    random = np.random.default_rng(0)
    images = random.integers(0, 30, (300, 12, 10), dtype=np.uint8)
    for image, row in zip(images, random.integers(0, 10, 300), strict=True):
        image[row : row + 2] = 230
    return images
