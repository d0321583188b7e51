"""The GPU of the tests. LATENTMAP_TEST_DEVICE=cpu runs them on the CPU, to check the tests themselves."""

import os

import pytest
import torch

from latentmap.core.devices import devices_in_words


@pytest.fixture
def gpu() -> str:
    """Name of the device: the first GPU. Without one the test is skipped."""
    named = os.environ.get("LATENTMAP_TEST_DEVICE")
    if named is None and not torch.cuda.is_available():
        pytest.skip(f"this test needs a GPU, and {devices_in_words()}")
    return named or "cuda"
