"""Exports of images with their columns and edits: tables as the answer, folders as a job in the background."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from latentmap.core.errors import RunError
from latentmap.explorer.answers import BadRequest, image_ids, read_json_body
from latentmap.explorer.export_jobs import ExportJob
from latentmap.explorer.routing import Routes
from latentmap.explorer.selection_export import EXPORT_KINDS, MEDIA_TYPES, TABLE_KINDS, DatasetRequest
from latentmap.explorer.zip_stream import zip_stream
from latentmap.run.image_classes import CLASSES
from latentmap.run.splits import EXAMPLE, parse_splits

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

FILE_HEADER = "X-Latentmap-File"  # path of the file that is kept in the run, percent-encoded UTF-8

routes = Routes()


@routes.post("/api/export")
async def start_export(server: "Server", request: Request) -> Response:
    """A CSV or Parquet file as the answer, or 202 and the id of a job that exports a folder; both kept in the run.

    The kinds are csv and parquet for images, issues-csv and issues-parquet for issues, folder for links by group, and
    imagefolder, yolo and coco for training, with ``classes`` and ``splits`` as in :func:`latentmap.run.export_run`.
    """
    asked, data = await read_json_body(request), server.data
    kind = asked.get("kind")
    if not isinstance(kind, str) or kind not in EXPORT_KINDS:
        raise BadRequest(f"kind: choose among {', '.join(EXPORT_KINDS)}")
    given = asked.get("ids")
    ids = None if given is None else await run_in_threadpool(image_ids, given, data.n)
    if kind not in TABLE_KINDS:
        job = server.exports.start(data, ids, None if kind == "folder" else _dataset(asked))
        if job is None:
            raise HTTPException(409, "a folder is being exported: wait for it, or cancel it")
        return JSONResponse({"job": job.id}, 202)
    path = await server.lanes["slow"].run(request, partial(server.exports.table, data, ids, kind))
    headers = {FILE_HEADER: quote(str(path), safe="/:\\")}
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix[1:]], filename=path.name, headers=headers)


@routes.get("/api/export/{job}")
async def export_state(server: "Server", request: Request) -> dict[str, Any]:
    """The progress of the export of a folder."""
    return _job(server, request).as_dict()


@routes.post("/api/export/{job}/cancel")
async def cancel_export(server: "Server", request: Request) -> dict[str, Any]:
    """Cancel the export of a folder; nothing is left of it."""
    job = _job(server, request)
    job.is_cancelled.set()
    return job.as_dict()


@routes.get("/api/export/{job}/zip")
def download_export(server: "Server", request: Request) -> Response:
    """The folder of an export for training as a zip file, which is made while it is sent."""
    job = _job(server, request)
    if job.folder is None or not job.has_zip:
        raise HTTPException(409, "there is nothing to download: export for training, and wait until it is done")
    folder = Path(job.folder)
    if not folder.is_dir():
        raise HTTPException(404, f"{folder}: no longer there: export again")
    headers = {"Content-Disposition": f'attachment; filename="{folder.name}.zip"'}
    return StreamingResponse(zip_stream(folder), media_type="application/zip", headers=headers)


def _dataset(asked: dict[str, Any]) -> DatasetRequest:
    """The choices for an export for training."""
    classes, splits = asked.get("classes", CLASSES[0]), asked.get("splits")
    if not isinstance(classes, str) or classes not in CLASSES:
        raise BadRequest(f"classes: choose among {', '.join(CLASSES)}")
    if splits is not None and not isinstance(splits, str):
        raise BadRequest(f"splits: pass names and fractions, such as {EXAMPLE}")
    try:
        parts = parse_splits(splits) if splits and splits.strip() else None
    except RunError as error:
        raise BadRequest(str(error)) from error
    return DatasetRequest(asked["kind"], classes, parts)


def _job(server: "Server", request: Request) -> ExportJob:
    job = server.exports.last
    if job is None or job.id != request.path_params["job"]:
        raise HTTPException(404, "there is no such export: only the last one is known")
    return job
