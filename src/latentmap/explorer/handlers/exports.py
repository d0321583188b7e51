"""Exports of images with their columns and edits: tables as the answer, folders as a job in the background."""

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from latentmap.explorer.answers import BadRequest, image_ids, read_json_body
from latentmap.explorer.export_jobs import ExportJob
from latentmap.explorer.routing import Routes
from latentmap.explorer.selection_export import EXPORT_KINDS, MEDIA_TYPES

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

FILE_HEADER = "X-Latentmap-File"  # path of the file that is kept in the run, percent-encoded UTF-8

routes = Routes()


@routes.post("/api/export")
async def start_export(server: "Server", request: Request) -> Response:
    """A CSV or Parquet file as the answer, or 202 and the id of a job that exports a folder; both kept in the run."""
    asked, data = await read_json_body(request), server.data
    kind = asked.get("kind")
    if not isinstance(kind, str) or kind not in EXPORT_KINDS:
        raise BadRequest(f"kind: choose among {', '.join(EXPORT_KINDS)}")
    given = asked.get("ids")
    ids = None if given is None else await run_in_threadpool(image_ids, given, data.n)
    if kind == "folder":
        job = server.exports.start(data, ids)
        if job is None:
            raise HTTPException(409, "a folder is being exported: wait for it, or cancel it")
        return JSONResponse({"job": job.id}, 202)
    path = await server.lanes["slow"].run(request, partial(server.exports.table, data, ids, kind))
    headers = {FILE_HEADER: quote(str(path), safe="/:\\")}
    return FileResponse(path, media_type=MEDIA_TYPES[kind], filename=path.name, headers=headers)


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


def _job(server: "Server", request: Request) -> ExportJob:
    job = server.exports.last
    if job is None or job.id != request.path_params["job"]:
        raise HTTPException(404, "there is no such export: only the last one is known")
    return job
