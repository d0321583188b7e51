"""Labelled collections drawn with NumPy: solids in the light, and stained cells under a microscope."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.labelled.pictures import LabelledCollection, Pixels, collected

SIDE = 64
Floats = NDArray[np.float32]
# A surface: how far points (…, 3) are from it, negative inside; never more than the true distance.
Surface = Callable[[Floats], Floats]
STEPS = 40
TOWARDS_EYE = np.array([0, 0, 1], np.float32)


def lit_shapes() -> LabelledCollection:
    """A hundred pictures of each of twelve solids, turned at random, in light from anywhere in front."""
    random = np.random.default_rng(0)
    return collected("lit shapes", ((name, _lit(solid, random)) for name, solid in SOLIDS.items() for _ in range(100)))


def cells() -> LabelledCollection:
    """Two hundred pictures of each of eight kinds of stained blood cells."""
    random = np.random.default_rng(0)
    return collected("cells", ((name, _smear(kind, random)) for name, kind in CELLS.items() for _ in range(200)))


def _half_spaces(normals: list[tuple[float, float, float]], distances: list[float]) -> Surface:
    """A convex solid, bounded by planes."""
    unit = np.array(normals, np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    offsets = np.array(distances, np.float32)
    return lambda p: (p @ unit.T - offsets).max(axis=-1)


def _both(first: Surface, second: Surface) -> Surface:
    """The intersection of two solids."""
    return lambda p: np.maximum(first(p), second(p))


def _outside(surface: Surface) -> Surface:
    return lambda p: -surface(p)


def _sphere(radius: float) -> Surface:
    return lambda p: np.linalg.norm(p, axis=-1) - np.float32(radius)


def _pillar(radius: float) -> Surface:
    """A cylinder without ends."""
    return lambda p: np.hypot(p[..., 0], p[..., 1]) - np.float32(radius)


def _slab(low: float, high: float) -> Surface:
    return _half_spaces([(0, 0, 1), (0, 0, -1)], [high, -low])


def _cone(p: Floats) -> Floats:
    slope = 0.9 * np.hypot(p[..., 0], p[..., 1]) + 0.436 * (p[..., 2] - 0.85)
    return np.maximum(slope, -0.65 - p[..., 2])


def _torus(p: Floats) -> Floats:
    return np.hypot(np.hypot(p[..., 0], p[..., 1]) - 0.65, p[..., 2]) - 0.25


def _capsule(p: Floats) -> Floats:
    beyond = p[..., 2] - np.clip(p[..., 2], -0.5, 0.5)
    return np.sqrt(p[..., 0] ** 2 + p[..., 1] ** 2 + beyond**2) - 0.4


def _around(n: int, lift: float = 0) -> list[tuple[float, float, float]]:
    """Directions around the z axis."""
    angles = 2 * np.pi * np.arange(n) / n
    return [(float(np.cos(angle)), float(np.sin(angle)), lift) for angle in angles]


SOLIDS: dict[str, Surface] = {
    "ball": _sphere(0.75),
    "cube": _half_spaces([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], [0.55] * 6),
    "cylinder": _both(_pillar(0.5), _slab(-0.7, 0.7)),
    "cone": _cone,
    "torus": _torus,
    "pyramid": _half_spaces([*_around(4, 0.5), (0, 0, -1)], [0.4] * 4 + [0.5]),
    "tetrahedron": _half_spaces([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)], [0.36] * 4),
    "octahedron": _half_spaces([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], [0.52] * 8),
    "capsule": _capsule,
    "hexagonal plate": _half_spaces([*_around(6), (0, 0, 1), (0, 0, -1)], [0.75] * 6 + [0.2] * 2),
    "bowl": _both(_both(_sphere(0.85), _outside(_sphere(0.68))), _slab(-1, 0.1)),
    "pipe": _both(_both(_pillar(0.55), _outside(_pillar(0.36))), _slab(-0.65, 0.65)),
}


def _lit(solid: Surface, random: np.random.Generator) -> Pixels:
    """One view along the z axis: coloured, darker where the light does not fall, with a highlight."""
    turn = Rotation.from_quat(random.normal(size=4)).as_matrix().astype(np.float32)
    zoom, middle = np.float32(random.uniform(0.85, 1.3)), random.uniform(-0.15, 0.15, 2).astype(np.float32)
    points, hit = _first_met(lambda p: solid(p @ turn), middle, zoom)
    normals = _normals(lambda p: solid(p @ turn), points)
    light = random.normal(size=3)
    light = _unit(np.array([light[0], light[1], abs(light[2]) + 0.5]))
    bright = 0.2 + 0.8 * np.clip(normals @ light, 0, None)
    shine = random.uniform(0, 0.5) * np.clip(normals @ _unit(light + TOWARDS_EYE), 0, None) ** 25
    colour, behind = random.uniform(0.25, 1, 3), random.uniform(0, 1, 3)
    image = np.where(hit[..., None], colour * bright[..., None] + shine[..., None], _shaded(behind, random))
    return _as_pixels(image + random.normal(0, 0.01, image.shape))


def _first_met(surface: Surface, middle: Floats, zoom: np.float32) -> tuple[Floats, NDArray[np.bool_]]:
    """Where parallel rays meet the surface, and which do: each goes on by its distance from it, again and again."""
    across = np.linspace(-1.25, 1.25, SIDE, dtype=np.float32) * zoom
    start = np.stack(np.broadcast_arrays(across + middle[0], -across[:, None] + middle[1], np.float32(1.4)), axis=-1)
    depth = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(STEPS):
        points = start - depth[..., None] * TOWARDS_EYE
        distance = surface(points)
        depth += np.clip(distance, -0.05, 1)
    return points, distance < 0.02


def _normals(surface: Surface, points: Floats) -> Floats:
    steps = 0.01 * np.eye(3, dtype=np.float32)
    return _unit(np.stack([surface(points + step) - surface(points - step) for step in steps], axis=-1))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _shaded(colour: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """A background that gets lighter towards one side."""
    across = np.linspace(-1, 1, SIDE)
    slope = random.uniform(-0.15, 0.15, 2)
    return colour + (slope[0] * across + slope[1] * across[:, None])[..., None]


@dataclass(frozen=True)
class Cell:
    """The appearance of a kind of cell; lengths in pixels, colours from 0 to 1."""

    radius: float
    colour: tuple[float, float, float]
    pallor: float = 0
    stretch: float = 1
    bend: float = 0
    wobble: float = 0.03
    lobes: int = 0
    lobe_radius: float = 0
    spread: float = 0
    nucleus: tuple[float, float, float] = (0.36, 0.2, 0.5)
    granules: int = 0
    granule_radius: float = 1
    granule_colour: tuple[float, float, float] = (0.5, 0.3, 0.6)


PINK, PALE, BLUE = (0.88, 0.55, 0.55), (0.9, 0.8, 0.84), (0.62, 0.68, 0.88)
RED_CELL = Cell(12, PINK, pallor=0.6)
CELLS = {
    "red cell": RED_CELL,
    "sickle cell": Cell(11, PINK, stretch=2.4, bend=0.03),
    "lymphocyte": Cell(13, BLUE, lobes=1, lobe_radius=10.5, spread=1),
    "monocyte": Cell(19, (0.72, 0.74, 0.84), wobble=0.08, lobes=3, lobe_radius=7, spread=5, nucleus=(0.5, 0.36, 0.64)),
    "neutrophil": Cell(16, PALE, lobes=4, lobe_radius=4.5, spread=7, granules=30, granule_radius=0.7),
    "eosinophil": Cell(
        16, PALE, lobes=2, lobe_radius=6, spread=6, granules=60, granule_radius=1.6, granule_colour=(0.9, 0.4, 0.25)
    ),
    "basophil": Cell(
        15, PALE, lobes=2, lobe_radius=6.5, spread=5, granules=45, granule_radius=2, granule_colour=(0.22, 0.14, 0.42)
    ),
    "platelets": Cell(6, (0.75, 0.62, 0.82), wobble=0.18, granules=8, granule_radius=1.1),
}


def _smear(kind: Cell, random: np.random.Generator) -> Pixels:
    """One cell near the middle, perhaps red cells at the edges, in a light that varies."""
    image = np.broadcast_to(np.array([0.94, 0.92, 0.9]) + random.uniform(-0.04, 0.04, 3), (SIDE, SIDE, 3))
    for _ in range(random.integers(3)):
        angle = random.uniform(0, 2 * np.pi)
        image = _with_cell(image, RED_CELL, 32 + 36 * np.array([np.cos(angle), np.sin(angle)]), random)
    image = _with_cell(image, kind, random.uniform(27, 37, 2), random)
    light = random.uniform(0.8, 1.08) * random.uniform(0.96, 1.04, 3)
    return _as_pixels(image * light + random.normal(0, random.uniform(0.01, 0.04), image.shape))


def _with_cell(
    image: NDArray[np.float64], kind: Cell, middle: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    y, x = _turned_grid(middle, random.uniform(0, 2 * np.pi), random.uniform(0.85, 1.15))
    x = x + kind.bend * y**2 - (kind.bend > 0) * 3
    along, across = y / np.sqrt(kind.stretch), x * np.sqrt(kind.stretch)
    distance, rim = np.hypot(along, across), kind.radius * _outline(np.arctan2(along, across), kind.wobble, random)
    body = _soft(rim - distance)
    colour = np.array(kind.colour) * random.uniform(0.93, 1.07, 3)
    pale = kind.pallor * np.exp(-((distance / (0.45 * kind.radius)) ** 2))
    image = _painted(image, body * (1 - pale), colour)
    image = _painted(image, body * np.exp(-((rim - distance) ** 2) / 3) * 0.4, 0.8 * colour)
    image = _painted(
        image, _nucleus(kind, x, y, random) * body, np.array(kind.nucleus) + random.uniform(-0.05, 0.05, 3)
    )
    for place in _inside(kind, random):
        grain = _soft(kind.granule_radius * random.uniform(0.7, 1.3) - np.hypot(x - place[0], y - place[1]))
        image = _painted(image, 0.85 * grain * body, np.array(kind.granule_colour))
    return image


def _turned_grid(middle: NDArray[np.float64], angle: float, size: float) -> NDArray[np.float64]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    y, x = (rows - middle[0]) / size, (columns - middle[1]) / size
    return np.stack([np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y])


def _outline(angles: NDArray[np.float64], wobble: float, random: np.random.Generator) -> NDArray[np.float64]:
    """A circle of radius 1 with random waves."""
    waves = range(2, 8)
    return 1 + sum(
        wobble * random.normal() / np.sqrt(n) * np.cos(n * angles + random.uniform(0, 2 * np.pi)) for n in waves
    )


def _nucleus(
    kind: Cell, x: NDArray[np.float64], y: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Lobes along an arc, or one."""
    begin, mask = random.uniform(0, 2 * np.pi), np.zeros_like(x)
    for angle in begin + (np.arange(kind.lobes) - kind.lobes / 2) * 1.25 * min(1, 4 / max(1, kind.lobes)):
        place = kind.spread * np.array([np.cos(angle), np.sin(angle)]) + random.normal(0, 0.5, 2)
        radius = kind.lobe_radius * random.uniform(0.9, 1.1)
        mask = np.maximum(mask, _soft(radius - np.hypot(x - place[0], y - place[1])))
    return mask


def _inside(kind: Cell, random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Places of the granules."""
    for _ in range(kind.granules):
        angle, radius = random.uniform(0, 2 * np.pi), 0.92 * kind.radius * np.sqrt(random.uniform())
        yield radius * np.array([np.cos(angle), np.sin(angle)])


def _soft(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 inside, 0 outside, and in between over about two pixels."""
    return np.clip(0.5 + depth / 1.8, 0, 1)


def _painted(
    image: NDArray[np.float64], cover: NDArray[np.float64], colour: NDArray[np.float64]
) -> NDArray[np.float64]:
    return image + cover[..., None] * (colour - image)


def _as_pixels(image: NDArray[np.float64]) -> Pixels:
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
