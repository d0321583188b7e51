"""The explorer as a widget of a notebook, whose page talks to the kernel through the widget's channel."""

from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from latentmap.core.errors import InputError
from latentmap.core.progress import counted
from latentmap.explorer.app import unguarded_app
from latentmap.explorer.columns import TREE_COLUMN
from latentmap.explorer.handlers.page_files import STATIC
from latentmap.explorer.picture_files import as_base64
from latentmap.explorer.run_facts import groups_as_json
from latentmap.explorer.shared_servers import release_server, use_server
from latentmap.explorer.still_picture import first_picture, is_png, marked_png, selector_of
from latentmap.explorer.widget_channel import WidgetChannel
from latentmap.run.edits import EditedRun

GROUP, GIVEN_LABEL, MARK = "group", "given label", "mark"  # columns that derive from the edits
MIN_ZOOM, MAX_ZOOM = -2.0, 18.0  # doublings of the scale at which the whole map is in view
IDS = np.dtype("<i4")  # of the selection as it is sent


def _bytes(value: Any, _: Any) -> bytes:
    return b"" if value is None else bytes(value)


class ExplorerWidget(anywidget.AnyWidget):  # type: ignore[misc]  # it has no types
    """The explorer of one run in a notebook.

    The page in the notebook and these attributes always show the same: setting one changes the page, and what is done
    in the page changes them. ``widget.observe(f, "selection")`` calls ``f`` with each change, also of ``view``,
    ``color_by`` and ``groups``; a notebook that answers the page while a cell runs calls it in another thread.

    The notebook keeps a still picture of the map, which is shown where there is no kernel.

    Parameters
    ----------
    path : path
        Folder of a finished run.
    height : int, default=720
        Height in pixels.
    user : str, optional
        Name by which edits are recorded; by default that of this user on the system.
    compare : path, optional
        Folder of another run of the same images, whose map and groups the page shows beside its own.

    Attributes
    ----------
    selection : list of int
        Ids of the selected images, in ascending order. Images that a filter hides cannot be selected: the page leaves
        them out again.
    view : dict
        The part of the map in view: ``x`` and ``y`` of its middle, in the units of ``run.map()``, and ``zoom``, the
        number of times that the scale was doubled since the whole map was in view. Those that are not given stay.
    color_by : str
        Name of the column that the map is coloured by.
    groups : dict of int to dict
        ``name`` and ``size`` of each group by its number; "" for one without a name. Names can be set, also as
        ``widget.groups = {3: "shoes"}``; they are saved in the run. Groups that are not given stay.

    Raises
    ------
    RunError
        If the folder is not a finished run, or the runs cannot be compared.
    InputError
        If an attribute is set to ids that the run does not have, a column that it does not have, or a place that is not
        on the map.
    """

    _esm = STATIC / "widget.js"

    selection = traitlets.Any()
    view = traitlets.Any().tag(sync=True, echo_update=False)
    color_by = traitlets.Any(GROUP).tag(sync=True, echo_update=False)
    groups = traitlets.Any()

    _selection = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_bytes)  # ids as int32
    _revision = traitlets.Int(0).tag(sync=True, echo_update=False)  # of the edits
    _address = traitlets.Unicode().tag(sync=True, echo_update=False)  # filters and the rest of the page's state
    _picture = traitlets.Bytes().tag(sync=True, echo_update=False, from_json=_bytes)  # PNG of the view
    _still = traitlets.Unicode().tag(sync=True)  # CSS selector of the still picture
    _height = traitlets.Int().tag(sync=True)

    def __init__(
        self, path: str | Path, *, height: int = 720, user: str | None = None, compare: str | Path | None = None
    ) -> None:
        self._server = use_server(path, user, compare)
        self._channel: WidgetChannel | None = None
        left, bottom, side = self._server.data.square
        edited = self._server.data.journal.edited()
        super().__init__(
            selection=[],
            view={"x": left + side / 2, "y": bottom + side / 2, "zoom": 0.0},
            groups=_groups_of(edited),
            _revision=edited.revision,
            _height=height,
        )
        self._still = selector_of(self.model_id)
        self._picture = first_picture(self._server.data)
        self._channel = WidgetChannel(unguarded_app(self._server), self.send, STATIC)
        self.on_msg(self._receive)

    def _receive(self, _: Any, message: Any, buffers: list[Any]) -> None:
        if self._channel is not None:
            self._channel.receive(message, buffers)

    def close(self) -> None:
        """End the widget: the page is taken away, and its still picture stays."""
        super().close()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
            release_server(self._server)

    # ---------------------------------------------------------------- selection

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> list[int]:
        return as_ids(proposal.value, self._server.data.n)

    @traitlets.observe("selection")
    def _send_selection(self, change: Any) -> None:
        self._selection = np.asarray(change.new, IDS).tobytes()

    @traitlets.observe("_selection")
    def _take_selection(self, change: Any) -> None:
        self.selection = np.frombuffer(change.new[: len(change.new) // 4 * 4], IDS).tolist()

    # ---------------------------------------------------------------- view and colours

    @traitlets.validate("view")
    def _check_view(self, proposal: Any) -> dict[str, float]:
        return as_view(proposal.value, self.view or {}, self._server.data.square)

    @traitlets.validate("color_by")
    def _check_color_by(self, proposal: Any) -> str:
        data, name, compared = self._server.data, proposal.value, self._server.compared
        offered = _derived_columns(data.journal.edited())
        offered += [] if compared is None else compared.column_names(data).values()
        offered += [one for one in data.columns if one not in (GROUP, TREE_COLUMN)]
        colored = [one for one in offered if one not in data.columns or data.columns[one].column.kind != "text"]
        if name in colored:
            return str(name)
        reason = "a text column has no colours" if name in offered else "there is no such column"
        raise InputError(f"color_by={name!r}: {reason}: choose among {', '.join(colored)}")

    # ---------------------------------------------------------------- groups

    @traitlets.validate("groups")
    def _check_groups(self, proposal: Any) -> dict[int, dict[str, Any]]:
        journal = self._server.data.journal
        edited = journal.edited()
        for number, name in new_names(proposal.value, _groups_of(edited)).items():
            edited = journal.add({"kind": "name", "group": number, "name": name}, edited.revision)
        return _groups_of(edited)

    @traitlets.observe("groups")
    def _send_revision(self, _: Any) -> None:
        self._revision = self._server.data.journal.edited().revision

    @traitlets.observe("_revision")
    def _take_groups(self, _: Any) -> None:
        data = self._server.refresh().data
        data.journal.refresh()
        self.groups = _groups_of(data.journal.edited())

    # ---------------------------------------------------------------- still picture

    def _still_bundle(self) -> dict[str, str]:
        """The still picture as a notebook keeps it."""
        return {"image/png": as_base64(marked_png(self._picture, self.model_id)), "text/plain": repr(self)}

    @traitlets.observe("_picture")
    def _update_still(self, change: Any) -> None:
        from IPython.display import update_display

        if change.old and is_png(change.new):
            update_display(self._still_bundle(), raw=True, display_id=self.model_id)

    def _ipython_display_(self) -> None:
        """Show the still picture, which the page hides while it is there, and the page."""
        from IPython.display import display

        display(self._still_bundle(), raw=True, display_id=self.model_id)
        data, metadata = super()._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The page, with the still picture for what shows no widgets."""
        found = super()._repr_mimebundle_(**options)
        return found and (self._still_bundle() | found[0], found[1])

    def __repr__(self) -> str:
        data = self._server.data
        return f"<ExplorerWidget of {data.path.resolve().name}: {counted(data.n, data.run.noun)}>"


def as_ids(value: Any, n: int) -> list[int]:
    """Ids of images as a list of int, each once, in ascending order.

    Raises
    ------
    InputError
        If they are no whole numbers from 0 to n - 1.
    """
    wanted = f"pass ids of images, whole numbers from 0 to {n - 1}"
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InputError(f"selection: got {type(value).__name__}: {wanted}")
    try:
        found: NDArray[Any] = np.asarray(value if isinstance(value, np.ndarray) else list(value))
    except ValueError as error:  # lists of several lengths
        raise InputError(f"selection: got {short(value)}: {wanted}") from error
    if not found.size:
        return []
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise InputError(f"selection: got {short(value)}: {wanted}")
    if found.min() < 0 or found.max() >= n:
        missing = found[(found < 0) | (found >= n)]
        raise InputError(f"selection: there is no image {missing[0]}: {wanted}")
    ids: list[int] = np.unique(found).tolist()
    return ids


def as_view(value: Any, current: Mapping[str, float], square: tuple[float, float, float]) -> dict[str, float]:
    """A view of the map: x, y and zoom, those that are not given from the current one.

    Raises
    ------
    InputError
        If a name is unknown, or a value is no number or not on the map.
    """
    if not isinstance(value, Mapping) or not {*value} <= {"x", "y", "zoom"}:
        raise InputError(f"view: got {short(value)}: pass x, y and zoom, such as {{'x': 0.5, 'y': -2.0, 'zoom': 3.0}}")
    left, bottom, side = square
    ranges = {
        "x": (left - side, left + 2 * side),
        "y": (bottom - side, bottom + 2 * side),
        "zoom": (MIN_ZOOM, MAX_ZOOM),
    }
    view = dict(current)
    for name, (low, high) in ranges.items():
        if name not in value:
            continue
        given = value[name]
        is_number = isinstance(given, int | float | np.number) and not isinstance(given, bool) and isfinite(given)
        if not is_number or not low <= given <= high:
            raise InputError(f"view: {name}={given!r}: pass a number from {low:.4g} to {high:.4g}")
        view[name] = float(given)
    return view


def new_names(value: Any, groups: dict[int, dict[str, Any]]) -> dict[int, str]:
    """Names by the number of the group that differ from those of the groups.

    Raises
    ------
    InputError
        If there is no group of a number, or a name is no text.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"groups: got {short(value)}: pass names by the number of the group, such as {{3: 'shoes'}}")
    names = {}
    for number, given in value.items():
        name = given.get("name") if isinstance(given, Mapping) else given
        if not isinstance(number, int | np.integer) or number not in groups:
            known = ", ".join(map(str, groups))
            raise InputError(f"groups: there is no group {number!r}: choose among {known}")
        if not isinstance(name, str):
            raise InputError(f"groups: group {number}: got {short(given)}: pass its name")
        if name.strip() != groups[int(number)]["name"]:
            names[int(number)] = name
    return names


def short(value: Any) -> str:
    """A value in a few characters, for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _derived_columns(edited: EditedRun) -> list[str]:
    """The columns that derive from the edits, as the page offers them."""
    has_marks = any(values.any() for values in edited.marks.values())
    return [GROUP] + [GIVEN_LABEL] * bool(edited.labels) + [MARK] * has_marks


def _groups_of(edited: EditedRun) -> dict[int, dict[str, Any]]:
    """Name and size of each group by its number."""
    return {one["number"]: {"name": one["name"], "size": one["size"]} for one in groups_as_json(edited)}
