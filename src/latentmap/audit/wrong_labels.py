"""Labels that are probably wrong, with the probability."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentmap.audit.issues import IssueList
from latentmap.audit.opinions import Opinions

TEMPERATURES = np.geomspace(0.25, 4, 16)
NOISE_RATES = np.geomspace(1e-4, 0.5, 40)
MAX_FITTED = 100_000  # images from which temperature and noise are found
MIN_LABELLED = 20  # fewer labels do not say how sure their neighbours are
THRESHOLD = 0.5
# Labels are judged if neighbours agree with them so much more often than by chance, where 1 is always.
MIN_AGREEMENT = 0.5


class LabelNoise(NamedTuple):
    """How labels come about, by maximum likelihood.

    Attributes
    ----------
    temperature : float
        Of the votes of neighbours, so that they are probabilities of the true class.
    rate : float
        Fraction of labels that are replaced by any other class.
    """

    temperature: float
    rate: float


def fit_noise(opinions: Opinions) -> LabelNoise:
    """Temperature of the votes and rate of wrong labels under which the labels are most likely.

    A label is taken to be the true class, which has the probability that the neighbours give it at some temperature,
    or, at some rate, any other class. Each image is judged by the labels of others, so that the likelihood is out of
    fold.
    """
    rows = np.flatnonzero(opinions.known)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MAX_FITTED)).astype(np.intp))]
    n_others = max(1, opinions.n_classes - 1)
    best, found = -np.inf, LabelNoise(1.0, float(NOISE_RATES[0]))
    for temperature in TEMPERATURES:
        own = opinions.own_probability(float(temperature), rows)
        for rate in NOISE_RATES:
            likelihood = float(np.log((1 - rate) * own + rate * (1 - own) / n_others).mean())
            if likelihood > best:
                best, found = likelihood, LabelNoise(float(temperature), float(rate))
    return found


def agreement(opinions: Opinions) -> float:
    """How often the label of an image is that of most of its neighbours: 0 as by chance, 1 always."""
    known = opinions.known
    codes = opinions.codes[known]
    votes = opinions.votes[known]
    most = opinions.classes[known][np.arange(len(votes)), votes.argmax(axis=1)]
    sizes = np.bincount(codes, minlength=opinions.n_classes) / max(1, len(codes))
    given = np.bincount(most, minlength=opinions.n_classes) / max(1, len(codes))
    by_chance = float(sizes @ given)
    return (float((most == codes).mean()) - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


def label_probabilities(opinions: Opinions) -> NDArray[np.float32]:
    """Probability that the label of each image is right (n,); NaN where the label, or those of neighbours, are unknown.

    All are NaN if there are fewer than 20 labels, or neighbours often disagree with them, as when they say little about
    what a picture shows.

    By Bayes' rule, from the probability of the class at the fitted temperature and the fitted rate of wrong labels.

    Examples
    --------
    >>> from latentmap.audit.opinions import neighbor_opinions
    >>> codes = np.repeat([0, 1], 20)
    >>> codes[3] = 1
    >>> near = np.array([[j for j in range(40) if j // 20 == i // 20 and j != i][:8] for i in range(40)])
    >>> right = label_probabilities(neighbor_opinions(codes, near, np.ones((40, 8))))
    >>> np.flatnonzero(right < 0.5).tolist()
    [3]
    """
    known = opinions.known
    right = np.full(len(known), np.nan, np.float32)
    if opinions.n_classes < 2 or known.sum() < MIN_LABELLED or agreement(opinions) < MIN_AGREEMENT:
        return right
    temperature, rate = fit_noise(opinions)
    own = opinions.own_probability(temperature)
    kept = own * (1 - rate)
    changed = (1 - own) * rate / (opinions.n_classes - 1)
    right[known] = (kept / (kept + changed))[known]
    return right


def find_wrong_labels(
    issues: IssueList, opinions: Opinions, names: list[str], right: NDArray[np.floating[Any]]
) -> None:
    """Find labels that are more probably wrong than right.

    Parameters
    ----------
    issues : IssueList
        Receives what is found. The score is the probability that the label is right, and the note names the label and
        the one that the neighbours have.
    opinions : Opinions
    names : list of str
        Names of the classes.
    right : array (n,)
        See :func:`label_probabilities`.
    """
    ids = np.flatnonzero(right < THRESHOLD)
    better = opinions.best_other()[ids]
    notes = [
        f"{names[own]} → {names[other] if other >= 0 else '?'}"
        for own, other in zip(opinions.codes[ids], better, strict=True)
    ]
    issues.add("wrong_label", ids, right[ids], THRESHOLD, notes=notes)
