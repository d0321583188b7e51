"""Ctrl-C during a long fit ends it soon."""

import signal
import subprocess
import sys
import time

import pytest

HEARD_WITHIN = 5.0  # seconds, with other tests beside; all of the work would take hours
GIVEN_UP_AFTER = 60.0

PROGRAM = """
import signal
import numpy as np, latentmap as lm
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background takes away
random = np.random.default_rng(0)
try:
    {work}
except KeyboardInterrupt:
    print("interrupted")
"""
# what is done, and the line on which it is well under way
LONG = {
    "t-SNE on a grid": (
        """X = random.normal(size=(20000, 16)).astype(np.float32)
    lm.TSNE(max_iter=1000000, n_iter_without_progress=1000000, min_grad_norm=0, verbose=1).fit(X)""",
        "[t-SNE] Mean sigma",
    ),
    "t-SNE of all pairs": (
        """X = random.normal(size=(80000, 4)).astype(np.float32)
    lm.TSNE(3, max_iter=1000000, verbose=1, perplexity=5).fit(X)""",
        "[t-SNE] Mean sigma",
    ),
    "K-means": (
        """X = random.normal(size=(200000, 32)).astype(np.float32)
    lm.KMeans(200, init="random", n_init=20, max_iter=100000, tol=0, verbose=1).fit(X)""",
        "Initialization complete",
    ),
    "neighbours": (
        """X = random.normal(size=(200000, 128)).astype(np.float32)
    print("begun")
    lm.nearest_neighbors(X, 50)""",
        "begun",
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process there")
@pytest.mark.parametrize(("work", "under_way"), LONG.values(), ids=LONG.keys())
def test_an_interrupt_is_heard_soon(work, under_way):
    command = [sys.executable, "-u", "-c", PROGRAM.format(work=work)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert any(line.startswith(under_way) for line in process.stdout)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        rest = process.communicate(timeout=GIVEN_UP_AFTER)[0]
        assert time.monotonic() - begun < HEARD_WITHIN
        assert rest.strip().endswith("interrupted")
    finally:
        process.kill()
