"""The explorer as a widget, without a notebook."""

import base64
import io
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

import latentmap
from latentmap.core.errors import EditError, InputError
from latentmap.explorer import Explorer, notebooks
from latentmap.explorer.still_picture import marked_png, selector_of

pytest.importorskip("anywidget", reason="pip install 'latentmap[notebook]'")


@pytest.fixture
def widget(copied) -> Iterator["latentmap.explorer.widget.ExplorerWidget"]:
    from latentmap.explorer.widget import ExplorerWidget

    made = ExplorerWidget(copied, height=400)
    yield made
    made.close()


@pytest.fixture
def seen(widget) -> list[tuple[str, object]]:
    changes: list[tuple[str, object]] = []
    names = ["selection", "view", "color_by", "groups"]
    widget.observe(lambda change: changes.append((change.name, change.new)), names)
    return changes


def from_page(widget, **values) -> None:
    """Set what the page sends, as the notebook does."""
    widget.set_state(values)


def test_attributes_at_the_beginning(widget):
    run = latentmap.Run.open(widget._server.data.path)
    places = run.map()
    low, high = places.min(axis=0), places.max(axis=0)
    assert widget.selection == []
    assert widget.view == pytest.approx({"x": (low + high)[0] / 2, "y": (low + high)[1] / 2, "zoom": 0}, rel=1e-5)
    assert widget.color_by == "group"
    sizes = np.bincount(run.groups()[run.groups() >= 0])
    assert widget.groups == {i: {"name": "", "size": n} for i, n in enumerate(sizes.tolist())}
    assert repr(widget) == "<ExplorerWidget of bars: 240 images>"


@pytest.mark.parametrize("ids", [[5, 2, 5], np.array([5, 2]), {2, 5}, range(2, 6, 3), np.array([2, 5], np.uint8)])
def test_a_selection_is_sent_to_the_page(widget, seen, ids):
    widget.selection = ids
    assert widget.selection == [2, 5]
    assert np.frombuffer(widget.get_state()["_selection"], "<i4").tolist() == [2, 5]
    assert seen == [("selection", [2, 5])]
    widget.selection = [2, 5]
    assert len(seen) == 1


def test_what_is_done_in_the_page_is_seen(widget, seen):
    from_page(widget, _selection=memoryview(np.array([7, 9], "<i4").tobytes()))
    from_page(widget, view={"x": 0.5, "y": 1, "zoom": 2.5})
    from_page(widget, color_by="label")
    expected = [("selection", [7, 9]), ("view", {"x": 0.5, "y": 1, "zoom": 2.5}), ("color_by", "label")]
    assert seen == expected
    assert widget.selection == [7, 9]
    from_page(widget, _selection=None)
    assert widget.selection == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([240], "there is no image 240: pass ids of images, whole numbers from 0 to 239"),
        ([3, -1], "there is no image -1"),
        ("12", "got str: pass ids"),
        ({1: 2}, "got dict: pass ids"),
        (3, "got int: pass ids"),
        ([1.5], r"got \[1.5\]: pass ids"),
        ([True, False], "pass ids"),
        ([[1], [2]], "pass ids"),
        (["a"], "pass ids"),
        ([[1], [2, 3]], "pass ids"),
        ([2**80], "pass ids"),
    ],
)
def test_ids_that_are_wrong_are_refused(widget, seen, value, sentence):
    widget.selection = [1]
    with pytest.raises(InputError, match=sentence):
        widget.selection = value
    assert widget.selection == [1]
    assert seen == [("selection", [1])]


def test_a_part_of_a_view_can_be_set(widget):
    x, y = widget.view["x"], widget.view["y"]
    widget.view = {"zoom": 3}
    assert widget.view == {"x": x, "y": y, "zoom": 3.0}
    widget.view = {"x": np.float32(x + 0.25), "y": y}
    assert widget.view == {"x": pytest.approx(x + 0.25), "y": y, "zoom": 3.0}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"x": 1e6}, r"x=1000000.0: pass a number from -?[0-9.]+ to"),
        ({"zoom": 19}, "zoom=19: pass a number from -2 to 18"),
        ({"y": float("nan")}, "y=nan: pass a number"),
        ({"y": "1"}, "y='1': pass a number"),
        ({"zoom": True}, "zoom=True: pass a number"),
        ({"scale": 1}, "got {'scale': 1}: pass x, y and zoom"),
        ((0, 0, 1), r"got \(0, 0, 1\): pass x, y and zoom"),
    ],
)
def test_views_that_are_wrong_are_refused(widget, value, sentence):
    before = widget.view
    with pytest.raises(InputError, match=sentence):
        widget.view = value
    assert widget.view == before


def test_columns_that_are_wrong_are_refused(widget):
    with pytest.raises(InputError, match="color_by='path': a text column has no colours: choose among group, "):
        widget.color_by = "path"
    with pytest.raises(InputError, match="color_by='colour': there is no such column: choose among group, "):
        widget.color_by = "colour"
    with pytest.raises(InputError, match="color_by='mark': there is no such column"):  # nothing is marked
        widget.color_by = "mark"
    journal = widget._server.data.journal
    journal.add({"kind": "mark", "ids": [1], "mark": "hidden", "on": True}, 0)
    journal.add({"kind": "label", "ids": [1], "label": "thin"}, 1)
    for name in ("mark", "given label", "weight", "group"):
        widget.color_by = name
        assert widget.color_by == name


def test_names_of_groups_are_saved_in_the_run(widget, seen):
    sizes = {number: one["size"] for number, one in widget.groups.items()}
    widget.groups = {1: "tall", np.int64(0): {"name": " wide ", "size": 0}}
    assert {number: one["name"] for number, one in widget.groups.items()} == {0: "wide", 1: "tall"} | {
        number: "" for number in sizes if number > 1
    }
    assert {number: one["size"] for number, one in widget.groups.items()} == sizes
    assert widget.get_state()["_revision"] == 2
    assert [name for name, _ in seen] == ["groups"]
    edits = latentmap.Run.open(widget._server.data.path).edits()
    assert set(edits["group_name"].to_pylist()) >= {"wide", "tall"}
    widget.groups = widget.groups  # the same again is no edit
    assert widget.get_state()["_revision"] == 2


def test_edits_of_the_page_are_seen(widget, seen):
    journal = widget._server.data.journal
    journal.add({"kind": "gather", "ids": [0, 1, 2], "name": "three"}, 0)
    from_page(widget, _revision=1)
    ((name, groups),) = seen
    assert name == "groups"
    assert {"name": "three", "size": 3} in groups.values()


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        ({99: "a"}, InputError, "there is no group 99: choose among 0, 1"),
        ({"0": "a"}, InputError, "there is no group '0'"),
        ({0: 3}, InputError, "group 0: got 3: pass its name"),
        (["a"], InputError, r"got \['a'\]: pass names by the number of the group"),
        ({0: "a\nb"}, EditError, "one line"),
    ],
)
def test_groups_that_are_wrong_are_refused(widget, value, error, sentence):
    before = widget.groups
    with pytest.raises(error, match=sentence):
        widget.groups = value
    assert widget.groups == before


# ---------------------------------------------------------------- several widgets


def test_widgets_of_one_run_share_what_is_read_and_nothing_that_is_shown(widget, copied):
    from latentmap.explorer.widget import ExplorerWidget

    closed = []
    widget._server.close, close = lambda: closed.append(True), widget._server.close
    other = ExplorerWidget(copied)
    assert other._server is widget._server
    other.selection, other.color_by = [1], "label"
    assert (widget.selection, widget.color_by) == ([], "group")
    other.groups = {0: "first"}
    from_page(widget, _revision=1)  # as its page finds out
    assert widget.groups[0]["name"] == "first"
    other.close()
    assert closed == []
    widget.close()
    assert closed == [True]
    close()
    again = ExplorerWidget(copied)
    assert again._server is not widget._server
    again.close()


# ---------------------------------------------------------------- still picture


def test_the_bundle_has_the_page_and_a_picture(widget):
    data, _ = widget._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    assert data["text/plain"] == repr(widget)
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    picture.load()
    assert picture.info["explorer"] == widget.model_id
    assert np.asarray(picture.convert("L")).std() > 1  # something is drawn
    marker = widget.get_state()["_still"].split('"')[1]
    assert marker in data["image/png"]


def test_both_displays_are_shown_and_the_picture_is_replaced(widget, monkeypatch):
    shown: list[tuple[dict, dict]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    monkeypatch.setattr("IPython.display.update_display", lambda data, **options: shown.append((data, options)))
    widget._ipython_display_()
    (still, how), (page, _) = shown
    assert (set(still), how["display_id"]) == ({"image/png", "text/plain"}, widget.model_id)
    assert "image/png" not in page
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(file, "PNG")
    from_page(widget, _picture=memoryview(file.getvalue()))
    updated, how = shown[2]
    assert how["display_id"] == widget.model_id
    assert Image.open(io.BytesIO(base64.b64decode(updated["image/png"]))).size == (30, 20)
    from_page(widget, _picture=b"no picture")
    assert len(shown) == 3


@pytest.mark.parametrize("size", [(1, 1), (700, 3), (1000, 1000)])
def test_a_marked_picture_is_told_from_others_of_any_size(size):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    name, other = "0123456789abcdef" * 2, "0123456789abcdee" * 2
    marked = marked_png(file.getvalue(), name)
    Image.open(io.BytesIO(marked)).verify()
    address = f"data:image/png;base64,{base64.b64encode(marked).decode()}"
    assert selector_of(name).split('"')[1] in address
    assert selector_of(other).split('"')[1] not in address


# ---------------------------------------------------------------- where a widget is made


class Shell:
    kernel = object()


def test_only_a_notebook_gets_a_widget(copied, monkeypatch):
    import IPython

    explorer = latentmap.explore(copied)
    assert isinstance(explorer, Explorer)
    assert "latentmap[notebook]" not in explorer._repr_html_()
    explorer.close()
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    widget = latentmap.explore(copied, height=321)
    assert type(widget).__name__ == "ExplorerWidget"
    assert widget.get_state()["_height"] == 321
    widget.close()
    widget.close()


def test_without_the_extra_a_notebook_gets_the_frame_and_a_sentence(copied, monkeypatch):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr(notebooks, "find_spec", lambda name: None)
    explorer = latentmap.explore(copied)
    html = explorer._repr_html_()
    explorer.close()
    assert html.startswith("<iframe")
    assert "pip install &#x27;latentmap[notebook]&#x27;" in html


def test_importing_latentmap_loads_no_widgets():
    code = "import sys, latentmap, latentmap.explorer; sys.exit('anywidget' in sys.modules or 'IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
