"""Servers on this machine, for tests of sources at an address."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class WebServer(ThreadingHTTPServer):
    """A web server of a folder, which records its requests and fails as it is told.

    Attributes
    ----------
    requests : list of (str, str, int)
        Method, path and first byte of each request.
    failures : dict of str to list of int
        Statuses that the next requests for a path are answered with.
    has_ranges : bool
        Whether parts of files are sent.
    seconds_per_chunk : float
        Pause between chunks of 64 KiB.
    bytes_before_break : int, optional
        Size after which connections are broken off.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.requests: list[tuple[str, str, int]] = []
        self.failures: dict[str, list[int]] = {}
        self.has_ranges = True
        self.seconds_per_chunk = 0.0
        self.bytes_before_break: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def counts(self) -> Counter[str]:
        """Number of downloads of each path."""
        return Counter(path for method, path, _ in self.requests if method == "GET")


class _Handler(SimpleHTTPRequestHandler):
    server: WebServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        if self._fails("HEAD", 0):
            return
        super().do_HEAD()

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "") if self.server.has_ranges else ""
        begin = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        if self._fails("GET", begin):
            return
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            super().do_GET()
            return
        data = path.read_bytes()
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = len(data) if self.server.bytes_before_break is None else begin + self.server.bytes_before_break
        for start in range(begin, min(end, len(data)), 2**16):
            self.wfile.write(data[start : min(start + 2**16, end)])
            time.sleep(self.server.seconds_per_chunk)

    def _fails(self, method: str, begin: int) -> bool:
        place = self.path.partition("?")[0]
        self.server.requests.append((method, self.path, begin))
        planned = self.server.failures.get(place, [])
        status = planned.pop(0) if planned and method == "GET" else planned[0] if planned else 0
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return bool(status)


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """Serve a folder on a free port of this machine."""
    server = WebServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def object_store(bucket: str) -> Iterator[object]:
    """Start an S3 server on a free port, make a bucket, and yield a client. The environment names the server."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-environment",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        client = boto3.client("s3")
        client.create_bucket(Bucket=bucket)
        yield client
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
