"""The stage "report": all tables joined, and the metrics. The layers above add the page and its figures."""

import json

from latentmap.core.atomic_files import write_text
from latentmap.run import tables
from latentmap.run.atlas import write_atlas
from latentmap.run.audit_inputs import AuditInputs
from latentmap.run.auditing import audit
from latentmap.run.layout import ATLAS, ISSUES, METRICS
from latentmap.run.run import Run
from latentmap.run.stages.measuring import measure
from latentmap.run.work import Work


def report(work: Work) -> list[str]:
    """Write atlas.parquet, issues.parquet and metrics.json, without a report."""
    with work.show("report"):
        return write_results(work)


def write_results(work: Work) -> list[str]:
    """Measure, audit, and join all tables: metrics.json, issues.parquet and atlas.parquet."""
    metrics = measure(work.folder, work.images, work.points)
    write_text(work.folder / METRICS, json.dumps(metrics, indent=1))
    found = audit(AuditInputs(Run(work.folder)))
    tables.write_table(work.folder / ISSUES, found.issues)
    write_atlas(work.folder, work.images, work.latents, found.columns)
    return [METRICS, ISSUES, ATLAS]
