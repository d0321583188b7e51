"""Phases of the descent: exaggeration, learning rate and momentum.

The points gather under the early exaggeration and spread while it falls. They settle, expand fast with a high momentum,
and come to rest with a lower one. The exaggeration falls in equal ratios, since after a sudden fall parts of a group
can stay behind on the far side of another, and a high momentum carries them away.
"""

from latentmap.tsne.optimizer import DescentPhase

SPREAD_STEPS = 8  # of the exaggeration, after a third of the early iterations
SETTLING_ITERATIONS, FINAL_ITERATIONS = 40, 20
MOMENTUM, EXPANDING_MOMENTUM = 0.8, 0.99


def descent_phases(
    n: int,
    early_iter: int,
    max_iter: int,
    *,
    early_exaggeration: float,
    exaggeration: float,
    learning_rate: float | str,
) -> list[DescentPhase]:
    """Plan the descent.

    Parameters
    ----------
    n : int
        Number of points.
    early_iter : int
        Number of iterations until the early exaggeration has fallen to the exaggeration.
    max_iter : int
        Number of iterations in total.
    early_exaggeration, exaggeration : float
        Factor on the attractive forces in the first phase, and in the last ones.
    learning_rate : float or "auto"
        Step size. "auto" is n / exaggeration / 4, by the exaggeration of each phase.

    Returns
    -------
    list of DescentPhase
    """

    def phase(end: int, factor: float, momentum: float) -> DescentPhase:
        rate = n / factor / 4 if learning_rate == "auto" else float(learning_rate)
        return DescentPhase(end, factor, rate, momentum, restarts=momentum > MOMENTUM)

    # a higher momentum is stable at the learning rate "auto" or below
    is_stable = phase(0, exaggeration, 0).learning_rate <= n / exaggeration / 4
    gathered = early_iter // 3
    ratio = exaggeration / early_exaggeration
    spreading = [
        phase(
            gathered + (early_iter - gathered) * step // SPREAD_STEPS,
            early_exaggeration * ratio ** (step / (SPREAD_STEPS + 1)),
            MOMENTUM,
        )
        for step in range(1, SPREAD_STEPS + 1)
    ]
    return [
        phase(gathered, early_exaggeration, MOMENTUM),
        *spreading,
        phase(early_iter + SETTLING_ITERATIONS, exaggeration, MOMENTUM),
        phase(max_iter - FINAL_ITERATIONS, exaggeration, EXPANDING_MOMENTUM if is_stable else MOMENTUM),
        phase(max_iter, exaggeration, MOMENTUM),
    ]
