"""The two maps of a comparison as the page draws them: places, groups, colours and small pictures of a sample."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import orthogonal_procrustes

from latentmap.core.group_colors import group_colors
from latentmap.run.comparing import Comparison
from latentmap.run.comparing.group_partners import UNSURE
from latentmap.run.run import Run

# With these limits the page stays below 10 MB: images drawn on the maps, those with a picture, and those shown as the
# ones that changed most.
MAX_POINTS, MAX_PICTURES, MAX_CHANGED = 20_000, 2_500, 60
PICTURE_SIDE, CHANGED_SIDE = 32, 96  # pixels
MAX_NAME = 80  # characters of a path
WEBP_QUALITY = 80
PLACES = 65_534  # steps along a side of a map
NOWHERE = 65_535  # the place of an image on the map of a run that does not have it
NOT_COMPARED, NOT_KNOWN = 2, 255
UNSURE_COLOR = "#8d95a1"


class ComparisonDrawing:
    """The parts of a comparison that its page draws.

    Parameters
    ----------
    comparison : Comparison

    Attributes
    ----------
    rows : array, int
        Rows of ``comparison.table()`` that are drawn: those that changed most, and a random sample of all others.
    changed : array, int
        The first of them, which are shown as pictures.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.changed = comparison.most_changed(MAX_CHANGED)
        m = len(comparison.common.ids_a)
        n = m + len(comparison.only_a) + len(comparison.only_b)
        others = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(n), self.changed))
        self.rows = np.concatenate([self.changed, others])[:MAX_POINTS]
        # the id of each row in each run; -1 in a run that does not have it
        none_a, none_b = (np.full(len(ids), -1) for ids in (comparison.only_a, comparison.only_b))
        self._ids = {
            "a": np.concatenate([comparison.common.ids_a, comparison.only_a, none_b])[self.rows],
            "b": np.concatenate([comparison.common.ids_b, none_a, comparison.only_b])[self.rows],
        }
        self._with_pictures = next((one for one in "ab" if self._run(one).has_pictures), None)

    @property
    def has_pictures(self) -> bool:
        """Whether images can be shown."""
        return self._with_pictures is not None

    def groups(self) -> dict[str, list[dict[str, Any]]]:
        """Number, name and colour of each group of each run.

        A group has the colour of the one that it stands for. Images in no group are the last group, -1.
        """
        comparison, partners = self.comparison, self.comparison.groups.partners
        numbers = {name: np.unique(self._group(name)[self._group(name) >= 0]).tolist() for name in "ab"}
        alone = [number for number in numbers["b"] if number not in partners.values()]
        colors = [_hex(color) for color in group_colors(len(numbers["a"]) + len(alone))]
        of_a = dict(zip(numbers["a"], colors, strict=False))
        of_b = {b: of_a[a] for a, b in partners.items()}
        of_b |= dict(zip(alone, colors[len(numbers["a"]) :], strict=True))
        found = {}
        for name, run, own in (("a", comparison.a, of_a), ("b", comparison.b, of_b)):
            names = run.names()
            entries = [
                {"number": number, "name": names.get(number, ""), "color": own[number]} for number in sorted(own)
            ]
            found[name] = [*entries, {"number": UNSURE, "name": "no group", "color": UNSURE_COLOR}]
        return found

    def data(self) -> dict[str, Any]:
        """Everything that the code of the page reads, as JSON can hold it."""
        groups = self.groups()
        places = {"a": self.comparison.a.places, "b": self._aligned_places()}
        found: dict[str, Any] = {"n": len(self.rows), "nowhere": NOWHERE, "groups": groups}
        for name in "ab":
            has_it = self._ids[name] >= 0
            x, y = np.full((2, len(self.rows)), NOWHERE, "<u2")
            x[has_it], y[has_it] = _in_steps(places[name])[self._ids[name][has_it]].T
            codes = np.searchsorted([one["number"] for one in groups[name][:-1]], self._group(name))
            codes = np.where(self._group(name) < 0, len(groups[name]) - 1, codes)
            code = np.full(len(self.rows), len(groups[name]) - 1, "<u2")
            code[has_it] = codes[self._ids[name][has_it]]
            found[name] = {
                "x": _text(x),
                "y": _text(y),
                "group": _text(code),
                "ids": _text(self._ids[name].astype("<i4")),
            }
        return found | {"changed": _text(self._changed()), "shared": _text(self._shared()), "names": self._names()}

    def sheet(self) -> dict[str, Any] | None:
        """The first rows as small pictures in one picture, and where each lies in it; None without pictures."""
        if self._with_pictures is None:
            return None
        pictures = self.pictures(np.arange(min(len(self.rows), MAX_PICTURES)), PICTURE_SIDE)
        width, height = (max(one.size[side] for one in pictures if one is not None) for side in (0, 1))
        columns = int(np.ceil(np.sqrt(len(pictures))))
        sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height))
        for number, picture in enumerate(pictures):
            if picture is not None:
                sheet.paste(picture, (number % columns * width, number // columns * height))
        shown = [picture is not None for picture in pictures]
        return {"url": as_url(sheet), "width": width, "height": height, "columns": columns, "shown": shown}

    def pictures(self, positions: NDArray[np.intp], side: int) -> list[Image.Image | None]:
        """Pictures of drawn rows, at most so many pixels a side; None for images that the run with pictures lacks."""
        assert self._with_pictures is not None
        run, ids = self._run(self._with_pictures), self._ids[self._with_pictures][positions]
        parts = [run.images().images, *run.added_images()]
        ends = np.cumsum([len(part) for part in parts])
        found: list[Image.Image | None] = []
        for image in ids.tolist():
            part = int(np.searchsorted(ends, image, side="right"))
            if image < 0:
                found.append(None)
                continue
            pixels = np.asarray(parts[part][image - (ends[part] - len(parts[part]))])
            picture = Image.fromarray(run.picture(pixels)).convert("RGB")
            picture.thumbnail((side, side))
            found.append(picture)
        return found

    def _run(self, name: str) -> Run:
        return (self.comparison.a if name == "a" else self.comparison.b).run

    def _group(self, name: str) -> NDArray[np.int32]:
        return (self.comparison.a if name == "a" else self.comparison.b).group

    def _aligned_places(self) -> NDArray[np.float32]:
        """The second map, turned and mirrored so that the common images lie as on the first, unless it was given."""
        a, b, common = self.comparison.a, self.comparison.b, self.comparison.common
        if b.run.has_places or len(common.ids_a) < 3:
            return b.places
        first, second = a.places[common.ids_a].astype(np.float64), b.places[common.ids_b].astype(np.float64)
        rotation, _ = orthogonal_procrustes(second - second.mean(axis=0), first - first.mean(axis=0))
        aligned: NDArray[np.float32] = (b.places @ rotation).astype(np.float32)
        return aligned

    def _changed(self) -> NDArray[np.uint8]:
        """1 where the group changed, 0 where not, 2 for images of one run."""
        found = np.full(len(self.rows), NOT_COMPARED, np.uint8)
        is_common = self.rows < len(self.comparison.is_changed)
        found[is_common] = self.comparison.is_changed[self.rows[is_common]]
        return found

    def _shared(self) -> NDArray[np.uint8]:
        """Percentage of shared neighbours; 255 where it is not known."""
        found = np.full(len(self.rows), NOT_KNOWN, np.uint8)
        is_common = self.rows < len(self.comparison.shared_neighbors)
        shared = self.comparison.shared_neighbors[self.rows[is_common]]
        found[is_common] = np.where(np.isnan(shared), NOT_KNOWN, np.rint(100 * np.nan_to_num(shared)))
        return found

    def _names(self) -> list[str]:
        has_a = self._ids["a"] >= 0
        of_a = iter(self.comparison.a.paths.take(self._ids["a"][has_a]).to_pylist())
        of_b = iter(self.comparison.b.paths.take(self._ids["b"][~has_a]).to_pylist())
        names = [next(of_a if one else of_b) for one in has_a.tolist()]
        return [name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}" for name in names]


def as_url(picture: Image.Image) -> str:
    """A picture as a data URL."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=WEBP_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _in_steps(places: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Places in steps of the larger side of the map, in the middle of a square; up is up."""
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    side = float((high - low).max()) or 1.0
    steps = (places - (low + high) / 2) / side + 0.5
    steps[:, 1] = 1 - steps[:, 1]
    found: NDArray[np.uint16] = np.rint(np.clip(steps, 0, 1) * PLACES).astype(np.uint16)
    return found


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _hex(color: NDArray[np.float64]) -> str:
    return "#" + bytes(np.rint(color * 255).astype(np.uint8)).hex()
