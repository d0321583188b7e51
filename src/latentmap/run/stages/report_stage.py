"""The stage "report": all tables joined, and the metrics. The layers above add the page and its figures."""

import json

from latentmap.core.atomic_files import write_text
from latentmap.run.atlas import write_atlas
from latentmap.run.layout import ATLAS, METRICS
from latentmap.run.stages.measuring import measure
from latentmap.run.work import Work


def report(work: Work) -> list[str]:
    """Write atlas.parquet and metrics.json, without a report."""
    with work.show("report"):
        return write_results(work)


def write_results(work: Work) -> list[str]:
    """Measure, and join all tables: metrics.json and atlas.parquet."""
    metrics = measure(work.folder, work.images, work.points)
    write_text(work.folder / METRICS, json.dumps(metrics, indent=1))
    write_atlas(work.folder, work.images, work.latents)
    return [METRICS, ATLAS]
