"""Run of the course chapter: a page of published and measured figures, a JSON file, and the plots."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from latentmap.chapter.comparisons import RowFindings, RowResult
from latentmap.chapter.models import FULL_WORKLOAD, QUICK_WORKLOAD, SEED, ChapterModels
from latentmap.chapter.rows import CHAPTER_ROWS
from latentmap.core.atomic_files import write_text
from latentmap.core.environment import describe_environment
from latentmap.core.errors import InputError
from latentmap.report.html import render


def reproduce(
    out: Path, rows: Sequence[str] | None = None, *, quick: bool = False, quiet: bool = False
) -> list[RowResult]:
    """Run the course chapter, and write ``index.html``, ``chapter.json`` and ``figures/``.

    Parameters
    ----------
    out : Path
        Folder to write into; it is created if it does not exist.
    rows : sequence of str, optional
        Rows to run, such as ``["S5", "S7"]``; by default all of them.
    quick : bool, default=False
        Whether to use a tenth of the images and few epochs. The verdicts are then ``"not judged"``, because the
        published figures are for all of the data.
    quiet : bool, default=False
        Whether to hide progress.

    Returns
    -------
    list of RowResult
        ``verdict`` is ``"met"`` if every check of the row is met, otherwise ``"not met"``.

    Raises
    ------
    InputError
        If the chapter does not have one of the rows.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from latentmap.chapter import reproduce
    >>> [result.verdict for result in reproduce(Path(mkdtemp()), ["S7", "S12"], quiet=True)]
    ['met', 'met']
    """
    chosen = _choose_rows(rows)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    models = ChapterModels(QUICK_WORKLOAD if quick else FULL_WORKLOAD, quiet)
    results = [_run_row(row_id, models, out, judged=not quick) for row_id in chosen]
    record = {
        "rows": [asdict(result) for result in results],
        "quick": quick,
        "seed": SEED,
        **describe_environment(),
    }
    write_text(out / "chapter.json", json.dumps(record, indent=1, ensure_ascii=False))
    write_text(out / "index.html", render("chapter.html.j2", folder=out, **record))
    return results


def _choose_rows(rows: Sequence[str] | None) -> list[str]:
    if not rows:
        return list(CHAPTER_ROWS)
    wanted = [row.upper() for row in rows]
    unknown = [row for row in wanted if row not in CHAPTER_ROWS]
    if unknown:
        raise InputError(f"no row {', '.join(unknown)} in the chapter: choose among {', '.join(CHAPTER_ROWS)}")
    return [row for row in CHAPTER_ROWS if row in wanted]


def _run_row(row_id: str, models: ChapterModels, out: Path, *, judged: bool) -> RowResult:
    part, function = CHAPTER_ROWS[row_id]
    findings = RowFindings()
    begin = time.perf_counter()
    function(models, findings)
    names = []
    for name, figure in findings.figures.items():
        names.append(f"figures/{row_id}-{name}.png")
        figure.savefig(out / names[-1], dpi=110)
    met = all(check.met for check in findings.checks)
    verdict = ("met" if met else "not met") if judged else "not judged"
    seconds = round(time.perf_counter() - begin, 2)
    return RowResult(row_id, part, verdict, findings.checks, findings.notes, names, seconds)
