"""Ctrl-C during a long fit is heard within a second."""

import signal
import subprocess
import sys
import time

import pytest

HEARD_WITHIN = 1.0  # seconds
GIVEN_UP_AFTER = 60.0

PROGRAM = """
import numpy as np, latentmap as lm
random = np.random.default_rng(0)
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
SAY = "lambda progress: print(progress.done, flush=True)"
LONG = {
    "t-SNE on a grid": f"""
    X = random.normal(size=(20000, 16)).astype(np.float32)
    lm.TSNE(max_iter=1000000, min_grad_norm=0, n_iter_without_progress=1000000, callback={SAY}).fit(X)""",
    "t-SNE of all pairs": f"""
    X = random.normal(size=(20000, 16)).astype(np.float32)
    lm.TSNE(3, max_iter=1000000, min_grad_norm=0, n_iter_without_progress=1000000, callback={SAY}).fit(X)""",
    "K-means": """
    X = random.normal(size=(200000, 32)).astype(np.float32)
    lm.KMeans(200, init="random", n_init=20, max_iter=100000, tol=0, verbose=1).fit(X)""",
    "neighbours": """
    X = random.normal(size=(200000, 128)).astype(np.float32)
    print("begun", flush=True)
    lm.nearest_neighbors(X, 50)""",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process there")
@pytest.mark.parametrize("work", LONG.values(), ids=LONG.keys())
def test_an_interrupt_is_heard_within_a_second(work):
    program = PROGRAM.format(work=work.strip())
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline()
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        rest = process.communicate(timeout=GIVEN_UP_AFTER)[0]
        assert time.monotonic() - begun < HEARD_WITHIN
        assert rest.strip().endswith("interrupted")
    finally:
        process.kill()
