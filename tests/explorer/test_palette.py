"""The colours of groups can be told apart, also by people who do not see red or green."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SOURCE = Path(__file__).parents[2] / "explorer-ui" / "src" / "model" / "colors.ts"
GROUNDS = {"dark": (14, 17, 22), "light": (250, 250, 252)}
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(rgb: NDArray) -> NDArray:
    """sRGB (n, 3) uint8 to linear light."""
    value = np.asarray(rgb, float) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray, vision: str = "normal") -> NDArray:
    """CIELAB (n, 3) under D65, as seen by a vision."""
    light = np.clip(linear(rgb) @ VISIONS[vision].T, 0, 1) @ XYZ.T / WHITE
    f = np.where(light > (6 / 29) ** 3, np.cbrt(light), light / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def ciede2000(first: NDArray, second: NDArray) -> NDArray:
    """Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(first, -1, 0), np.moveaxis(second, -1, 0)
    mean7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(mean7 / (mean7 + 25.0**7)))
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, (1 + g) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    dh = h2 - h1
    dh = np.where(c1 * c2 == 0, 0, np.where(dh > 180, dh - 360, np.where(dh < -180, dh + 360, dh)))
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh) / 2)
    l_mean, c_mean, total = (l1 + l2) / 2, (c1 + c2) / 2, h1 + h2
    near = np.where(total < 360, (total + 360) / 2, (total - 360) / 2)
    h_mean = np.where(c1 * c2 == 0, total, np.where(np.abs(h1 - h2) <= 180, total / 2, near))
    t = (
        1
        - 0.17 * np.cos(np.radians(h_mean - 30))
        + 0.24 * np.cos(np.radians(2 * h_mean))
        + 0.32 * np.cos(np.radians(3 * h_mean + 6))
        - 0.20 * np.cos(np.radians(4 * h_mean - 63))
    )
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    rotation = 60 * np.exp(-(((h_mean - 275) / 25) ** 2))
    r_t = -np.sin(np.radians(rotation)) * 2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7))
    chroma, hue = (c2 - c1) / s_c, d_hue / s_h
    return np.sqrt(((l2 - l1) / s_l) ** 2 + chroma**2 + hue**2 + r_t * chroma * hue)


def palette() -> NDArray:
    """The colours of categories in the page's source: (20, 3)."""
    text = SOURCE.read_text(encoding="utf-8")
    (block,) = re.findall(r"CATEGORIES = \[(.*?)\]", text, re.DOTALL)
    return np.array([[int(one[i : i + 2], 16) for i in (0, 2, 4)] for one in re.findall(r'"#([0-9a-f]{6})"', block)])


def greys() -> NDArray:
    """The colours of missing values and of other categories."""
    text = SOURCE.read_text(encoding="utf-8")
    found = [re.search(rf"{name}: Rgb = \[(\d+), (\d+), (\d+)\]", text) for name in ("MISSING", "OTHER")]
    return np.array([[int(part) for part in one.groups()] for one in found if one])


def smallest(colors: NDArray, vision: str) -> float:
    seen = lab(colors, vision)
    return float((ciede2000(seen[:, None], seen[None]) + 1e3 * np.eye(len(colors))).min())


def test_ciede2000_gives_published_distances():
    pairs = np.array(
        [
            [[50, 2.6772, -79.7751], [50, 0, -82.7485]],
            [[50, 2.5, 0], [73, 25, -18]],
            [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387]],
            [[2.0776, 0.0795, -1.1350], [0.9033, -0.0636, -0.5514]],
        ]
    )
    assert ciede2000(pairs[:, 0], pairs[:, 1]) == pytest.approx([2.0425, 27.1492, 1.2644, 0.9082], abs=1e-4)


@pytest.mark.parametrize(
    ("vision", "least", "least_of_ten"), [("normal", 13, 24), ("protan", 9, 17), ("deutan", 9, 17)]
)
def test_no_two_of_twenty_colours_are_confused(vision, least, least_of_ten):
    colors = palette()
    assert len(colors) == 20
    assert smallest(colors, vision) > least
    assert smallest(colors[:10], vision) > least_of_ten


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_differ_from_grey_and_from_the_ground(vision):
    for other, least in [(grey, 9) for grey in greys()] + [(ground, 12) for ground in GROUNDS.values()]:
        assert ciede2000(lab(palette(), vision), lab(np.array(other), vision)).min() > least
    assert ciede2000(*lab(greys(), vision)) > 9  # missing is not other
