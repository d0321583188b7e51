"""Results of the chapter's rows: published figures compared with measured ones."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Check:
    """A published figure compared with the measured one.

    Attributes
    ----------
    what : str
        Name of the figure.
    published, measured : str
        The two values, with their unit.
    tolerance : {"equal", "at most", "holds"}
        How they are compared.
    met : bool
        Whether the comparison holds.
    """

    what: str
    published: str
    measured: str
    tolerance: str
    met: bool


@dataclass(frozen=True)
class RowResult:
    """The result of one row of the chapter.

    Attributes
    ----------
    id : str
        Number of the row, from S1 to S14.
    part : str
        Title of the row.
    verdict : {"met", "not met", "not judged"}
        ``"met"`` if all checks are met, ``"not judged"`` in a quick run.
    checks : list of Check
        Comparisons with published figures.
    notes : list of str
        Further observations.
    figures : list of str
        Files of the figures, relative to the folder of the page.
    seconds : float
        Wall time of the row.
    """

    id: str
    part: str
    verdict: str
    checks: list[Check]
    notes: list[str]
    figures: list[str]
    seconds: float


@dataclass
class RowFindings:
    """The measurements of a row, filled in by its function.

    Attributes
    ----------
    checks : list of Check
        Comparisons with published figures.
    notes : list of str
        Further observations.
    figures : dict of str to Figure
        Figures by name.
    """

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: "dict[str, Figure]" = field(default_factory=dict)

    def equal(self, what: str, published: object, measured: object) -> None:
        """Add a check that two values are equal.

        Parameters
        ----------
        what : str
            Name of the figure.
        published, measured : object
            The two values.
        """
        self.checks.append(Check(what, str(published), str(measured), "equal", bool(published == measured)))

    def at_most(self, what: str, published: float, measured: float, unit: str = "") -> None:
        """Add a check that the measured value is not larger than the published one.

        Parameters
        ----------
        what : str
            Name of the figure.
        published, measured : float
            The two values.
        unit : str, default=""
            Unit, with a space before it.
        """
        self.checks.append(
            Check(what, f"{published:.4g}{unit}", f"{measured:.4g}{unit}", "at most", bool(measured <= published))
        )

    def holds(self, what: str, published: str, measured: str, met: bool) -> None:
        """Add a check of a statement.

        Parameters
        ----------
        what : str
            Name of the figure.
        published, measured : str
            The statement, and what was measured.
        met : bool
            Whether the statement holds.
        """
        self.checks.append(Check(what, published, measured, "holds", bool(met)))
