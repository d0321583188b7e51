"""Words that set a group of images apart: values of columns, given labels, and parts of paths and other texts."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.columns import TREE_COLUMN, to_texts
from latentmap.run.edits import EditedRun

MAX_WORDS = 5  # that are proposed
MIN_COVERAGE = 0.25  # fraction of a group that has the word
MIN_LIFT = 1.25  # frequency in the group, relative to that among all images
MIN_IMAGES = 2  # of a group with the word
MAX_SAMPLED = 20_000  # texts of a group, and of the collection, whose words are counted
MAX_TEXT_LENGTH = 300  # characters of a text that are looked at
MAX_TEXT_COLUMNS = 4  # columns of texts that are looked at, among them the path
MAX_WORD_LENGTH = 60
LABEL_COLUMN = "given label"
# Columns that the run computes: their values say nothing about what is on the images.
COMPUTED = frozenset({"group", TREE_COLUMN, "added", "outlier", "duplicate_of"})
WORD_PATTERN = re.compile(r"[^\W\d_]{3,}")
IS_NO_WORD = re.compile(r"[\d\W_]*|true|false|none|nan", re.IGNORECASE)


@dataclass(frozen=True)
class GroupWord:
    """A word that is more frequent in a group than elsewhere.

    Attributes
    ----------
    text : str
        The word, as a name of the group.
    column : str
        Column that it is from.
    coverage : float
        Fraction of the group that has it.
    lift : float
        ``coverage`` divided by the fraction of all images that have it.
    """

    text: str
    column: str
    coverage: float
    lift: float

    @property
    def score(self) -> float:
        """Kullback-Leibler divergence of the frequency in the group from that among all images, in bits."""
        base = self.coverage / self.lift
        return _divergence(self.coverage, base) + _divergence(1 - self.coverage, 1 - base)


def _divergence(p: float, q: float) -> float:
    return float(p * np.log2(p / q)) if p > 0 and q > 0 else 0.0


def group_words(data: AtlasView, edited: EditedRun, number: int) -> list[GroupWord]:
    """Words that set a group apart, the most telling first.

    Values of categories and labels are counted exactly. Words of paths and other texts are counted in even samples of
    20,000 images of the group and of the collection, so that the time is bounded.

    Parameters
    ----------
    data : AtlasView
        The run.
    edited : EditedRun
        Its groups and labels.
    number : int
        Number of the group.

    Returns
    -------
    list of GroupWord
        At most five, each text once.
    """
    rows = np.flatnonzero(edited.group == number)
    if not len(rows) or len(rows) == data.n:
        return []
    found = [*_from_categories(data, edited, rows), *_from_texts(data, rows)]
    best: dict[str, GroupWord] = {}
    for word in sorted(found, key=lambda one: (-one.score, one.column != "label", one.text)):
        best.setdefault(word.text.casefold(), word)
    return list(best.values())[:MAX_WORDS]


def _from_categories(data: AtlasView, edited: EditedRun, rows: NDArray[np.intp]) -> Iterator[GroupWord]:
    yield from _frequent(LABEL_COLUMN, edited.labels, edited.label, rows)
    for name, values in data.columns.items():
        if values.column.kind == "category" and name not in COMPUTED:
            yield from _frequent(name, list(values.column.categories), values.values, rows)


def _frequent(name: str, categories: list[str], codes: NDArray[Any], rows: NDArray[np.intp]) -> Iterator[GroupWord]:
    """Categories that are more frequent in some rows; ``codes`` beyond the categories stand for others."""
    m = len(categories)
    inside, everywhere = (
        np.bincount(np.clip(one, -1, m).astype(np.int64) + 1, minlength=m + 2)[1 : m + 1]
        for one in (codes[rows], codes)
    )
    for code in np.flatnonzero(inside):
        text = category_text(name, categories[code])
        word = _measured(text, name, int(inside[code]), len(rows), int(everywhere[code]) / len(codes))
        if word is not None:
            yield word


def category_text(column: str, category: str) -> str:
    """A category as a name: with that of its column if it is a number or a truth value, unless it is a label.

    Examples
    --------
    >>> category_text("species", "fox"), category_text("year", "2019"), category_text("label", "7")
    ('fox', 'year 2019', '7')
    """
    is_clear = column in ("label", LABEL_COLUMN) or not IS_NO_WORD.fullmatch(category)
    return category if is_clear else f"{column} {category}"


def _measured(text: str, column: str, n_inside: int, size: int, base: float) -> GroupWord | None:
    """A word with its measures; None if it does not set the group apart."""
    coverage = n_inside / size
    if n_inside < min(MIN_IMAGES, size) or coverage < MIN_COVERAGE or coverage < MIN_LIFT * base:
        return None
    return GroupWord(text[:MAX_WORD_LENGTH], column, coverage, coverage / base)


def _from_texts(data: AtlasView, rows: NDArray[np.intp]) -> Iterator[GroupWord]:
    names = [name for name, values in data.columns.items() if values.column.kind == "text"]
    names.sort(key=lambda name: name != "path")
    inside, everywhere = _even_sample(rows), _even_sample(np.arange(data.n))
    for name in names[:MAX_TEXT_COLUMNS]:
        split = path_words if name in ("path", "file") else text_words
        texts = to_texts(data.columns[name].values)
        counted = _count_words(texts.take(inside).to_pylist(), split)
        frequent = {word for word, n in counted.items() if n >= MIN_COVERAGE * len(inside)}
        if not frequent:
            continue
        background = _count_words(texts.take(everywhere).to_pylist(), split)
        for word in frequent:
            # a word may be in no text of the sample of all
            base = max(background[word] / len(everywhere), counted[word] / len(inside) * len(rows) / data.n)
            measured = _measured(word, name, counted[word], len(inside), base)
            if measured is not None:
                yield measured


def _even_sample(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    if len(rows) <= MAX_SAMPLED:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAX_SAMPLED).astype(np.intp)]


def _count_words(texts: Iterable[str | None], split: Callable[[str], set[str]]) -> Counter[str]:
    """Number of texts with each word."""
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(split((text or "")[-MAX_TEXT_LENGTH:]))
    return counted


def path_words(path: str) -> set[str]:
    """Folders of a path, and the words of the name of its file.

    Examples
    --------
    >>> sorted(path_words("zoo/big cats/IMG_lion-03.jpg"))
    ['IMG', 'big cats', 'lion', 'zoo']
    """
    *folders, name = path.split("/")
    return {one for one in folders if not IS_NO_WORD.fullmatch(one)} | text_words(name.rpartition(".")[0] or name)


def text_words(text: str) -> set[str]:
    """Words of at least three letters.

    Examples
    --------
    >>> sorted(text_words("A fox, asleep in 2019"))
    ['asleep', 'fox']
    """
    return set(WORD_PATTERN.findall(text))
