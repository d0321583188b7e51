"""Small collections with known structure, shared by the tests."""

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def bars() -> NDArray[np.uint8]:
    """300 images of 12×10: one bright bar, whose place is all there is to know."""
    random = np.random.default_rng(0)
    images = random.integers(0, 30, (300, 12, 10), dtype=np.uint8)
    for image, row in zip(images, random.integers(0, 10, 300), strict=True):
        image[row : row + 2] = 230
    return images
