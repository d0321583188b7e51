"""The explorer of a run whose images have channels: pictures by any colours, and the setting that is kept."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from latentmap.explorer.app import make_app
from latentmap.explorer.guard import TOKEN
from latentmap.explorer.server import Server
from latentmap.images.mixing import MixedChannel, Mixing
from latentmap.run import RunOptions, make_run

HOST = "127.0.0.1:8765"
RED_ONLY = "ff0000:1,-00ff00:1"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 4000, (40, 12, 10, 2)).astype(np.uint16)
    path = tmp_path_factory.mktemp("base") / "run"
    make_run(images, path, RunOptions(epochs=1, latent_dim=4, perplexity=5.0))
    return path


@pytest.fixture
def server(base, tmp_path):
    made = Server(shutil.copytree(base, tmp_path / "run"))
    yield made
    made.close()


@pytest.fixture
def client(server):
    return TestClient(make_app(server, [HOST]), base_url=f"http://{HOST}", headers={TOKEN: server.token})


def pixels(response) -> np.ndarray:
    assert response.status_code == 200, response.text
    with Image.open(io.BytesIO(response.content)) as image:
        return np.asarray(image)


def test_images_and_sheets_are_mixed_by_the_colours_of_the_request(client, server):
    own = np.rint(np.asarray(server.data.pixels(5)) / 257).astype(np.uint8)
    picture = pixels(client.get(f"/api/images/5?mix={RED_ONLY}"))
    np.testing.assert_array_equal(picture, np.dstack([own[..., 0], 0 * own[..., 0], 0 * own[..., 0]]))
    sheet = pixels(client.get("/api/pages/0", params={"mix": RED_ONLY, "v": server.data.version}))
    place = int(server.data.place[5])
    columns = server.opened.sheets.layout.columns
    top, left = place // columns * 12, place % columns * 10
    np.testing.assert_array_equal(sheet[top : top + 12, left : left + 10], picture)
    drawn = pixels(client.get(f"/api/images/5/reconstruction?mix={RED_ONLY}"))
    assert drawn[..., 0].any()
    assert not drawn[..., 1:].any()


def test_without_colours_those_of_the_run_are_used_and_kept_on_disk(client, server):
    own = server.data.mixing
    np.testing.assert_array_equal(pixels(client.get("/api/images/5")), own.mix(np.asarray(server.data.pixels(5))))
    client.get("/api/pages/0")
    assert len(list(server.opened.sheets.folder.glob("*.png"))) == 1


def test_colours_are_kept_as_a_setting(client, server):
    facts = client.get("/api/run").json()["channels"]
    assert [one["name"] for one in facts] == ["channel 0", "channel 1"]
    assert facts[0]["own"] == {name: facts[0][name] for name in ("color", "visible", "brightness")}
    looks = [
        {"color": "#0000ff", "visible": True, "brightness": 0.5},
        {"color": "#00ff00", "visible": False, "brightness": 1},
    ]
    assert client.post("/api/channels", json={"channels": looks}).status_code == 200
    changed = client.get("/api/run").json()["channels"]
    assert [changed[0]["color"], changed[0]["own"]["color"]] == ["#0000ff", facts[0]["color"]]
    mixing = Mixing((MixedChannel("#0000ff", True, 0.5), MixedChannel("#00ff00", False)))
    first = client.get("/api/images/5", params={"v": server.data.version})
    np.testing.assert_array_equal(pixels(first), mixing.mix(np.asarray(server.data.pixels(5))))
    assert "immutable" not in first.headers["cache-control"]  # another setting gives another picture
    place = pixels(client.get("/api/decode?x=0&y=0"))
    assert place[..., 2].any()
    assert not place[..., :2].any()
    assert client.get("/api/channels").json()["channels"] == changed


@pytest.mark.parametrize("text", ["", "red:1,blue:1", "ff0000:1", "ff0000:99,00ff00:1", "ff0000:1,00ff00:1,0000ff:1"])
def test_colours_that_are_none_are_refused(client, text):
    found = client.get("/api/images/5", params={"mix": text})
    assert found.status_code == 400
    assert found.json()["error"].startswith("mix: ")


@pytest.mark.parametrize("body", [{}, {"channels": []}, {"channels": [{"color": "x"}] * 2}, {"channels": 3}])
def test_settings_that_are_none_are_refused(client, server, body):
    assert client.post("/api/channels", json=body).status_code == 400
    assert not (server.data.path / "explorer" / "channels.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps([{"color": "#ff0000", "visible": True, "brightness": 1}])])
def test_a_damaged_setting_is_ignored(client, server, text):
    path = server.data.path / "explorer" / "channels.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    expected = server.data.mixing.mix(np.asarray(server.data.pixels(5)))
    np.testing.assert_array_equal(pixels(client.get("/api/images/5")), expected)


def test_the_page_as_one_file_has_pictures_in_the_colours_of_the_setting(client):
    page = client.get("/page.html").text
    data = json.loads(page.partition('id="embedded">')[2].partition("</script>")[0])
    assert data["run"]["imageShape"] == [12, 10, 2]
    assert len(data["run"]["channels"]) == 2
    assert data["pages"]
