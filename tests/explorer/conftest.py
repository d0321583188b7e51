"""A small run with a tree, and its explorer without a network."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.run import RunOptions, make_run

HOST = "127.0.0.1:8765"
HOSTILE = "<img src=x onerror=alert(1)>.png"  # a name that Windows has no files of


def pictures(n: int, seed: int) -> np.ndarray:
    """Pictures of four kinds of bars, in colour."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 40, (n, 12, 10, 3), dtype=np.uint8)
    for image, kind in zip(images, random.integers(0, 4, n), strict=True):
        image[3 * kind : 3 * kind + 3, :, kind % 3] += 200
    return images


@pytest.fixture(scope="session", autouse=True)
def own_folder(tmp_path_factory) -> Iterator[None]:
    """Tokens that explorers keep for the user, out of the way of the tester's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp("user")))
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A run of 240 pictures, with columns of many types."""
    random = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("source")
    rows = ["path,label,weight,taken,sharp"]
    for i, image in enumerate(pictures(240, 0)):
        name = HOSTILE if i == 0 else f"bar {i}.png"
        Image.fromarray(image).save(folder / name)
        taken = "" if i % 7 == 0 else f"2024-01-{i % 28 + 1:02d}"
        rows.append(f"{name},{random.choice(['a', 'b', '<b>c</b>'])},{random.normal():.3f},{taken},{i % 2 == 0}")
    (folder / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    path = tmp_path_factory.mktemp("finished") / "bars"
    make_run(folder / "table.csv", path, RunOptions(epochs=2, latent_dim=6, n_clusters=4, perplexity=8.0))
    return path


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "bars"))


@pytest.fixture
def server(copied) -> Iterator[Server]:
    made = Server(copied)
    yield made
    made.close()


def client_of(server: Server) -> TestClient:
    """Asks as the explorer's own page does, with the token."""
    app = make_app(server, [HOST, "localhost:8765"])
    server.events.close()  # this client waits for the end of an answer
    return TestClient(app, base_url=f"http://{HOST}", headers={TOKEN: server.token}, raise_server_exceptions=False)


@pytest.fixture
def client(server) -> TestClient:
    return client_of(server)


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[Path], TestClient]]:
    """Open further runs until the tests of a file end."""
    servers: list[Server] = []

    def client_of_run(path: Path) -> TestClient:
        servers.append(Server(path))
        return client_of(servers[-1])

    yield client_of_run
    for one in servers:
        one.close()
