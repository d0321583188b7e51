"""The explorer behind real proxies, with a prefix that they remove or pass on."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from browser.conftest import Page, Served, serve

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_buffering off;
        client_max_body_size 32m;
        location /maps/scans/ {{ proxy_pass http://127.0.0.1:{target}; }}
        location /removed/scans/ {{ proxy_pass http://127.0.0.1:{target}/; }}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture(scope="module")
def prefixed(made, tmp_path_factory) -> Iterator[Served]:
    run = Path(shutil.copytree(made, tmp_path_factory.mktemp("prefixed") / "digits"))
    found = serve(run, 0, "--base-path", "/maps/scans", "--trust-proxy", "127.0.0.1")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def nginx(prefixed, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    if NGINX is None:
        pytest.skip("no nginx: apt-get install nginx")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    target = prefixed.url.split(":")[2].partition("/")[0]
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, target=target))
    process = subprocess.Popen([NGINX, "-c", file, "-p", folder, "-e", folder / "error.log"])
    wait_for(port)
    yield f"http://127.0.0.1:{port}", folder
    process.terminate()
    process.wait(20)


def name_a_group(page: Page, name: str) -> None:
    before = page.state("revision")
    field = page.page.locator(".groups li[data-group='0'] input")
    field.fill(name)
    field.press("Enter")
    page.until(f"latentmap.state.revision === {before + 1}")


@pytest.mark.parametrize("prefix", ["/maps/scans", "/removed/scans"])
def test_it_works_behind_nginx_with_a_prefix(look, prefixed, nginx, prefix):
    base, folder = nginx
    token = prefixed.url.partition("#token=")[2]
    page = look(f"{base}{prefix}/#token={token}")
    name_a_group(page, f"by {prefix}")
    (cookie,) = page.page.context.cookies(f"{base}{prefix}/api/run")
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == (prefix, True, "Strict")
    assert page.page.context.cookies(f"{base}/elsewhere") == []
    assert token not in page.page.url
    page.shoot(f"nginx-{prefix.split('/')[1]}")
    log = (folder / "access.log").read_text()
    assert f"{prefix}/api/points" in log
    assert token not in log


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jupyter_server_proxy") is None, reason="no jupyter-server-proxy")
@pytest.mark.parametrize("way", ["proxy", "proxy/absolute"])
def test_it_works_behind_jupyter_server_proxy(look, made, tmp_path, way):
    port, number = free_port(), free_port()
    base = f"http://127.0.0.1:{port}/{way}/{number}/"
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=of-jupyter"]
    command = [sys.executable, "-m", "jupyter", "server", *options, f"--ServerApp.root_dir={tmp_path}"]
    run = Path(shutil.copytree(made, tmp_path / "digits"))
    served = serve(run, number, "--base-path", f"/proxy/absolute/{number}")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(port)
    try:
        token = served.url.partition("#token=")[2]
        page = look(f"{base}?token=of-jupyter#token={token}")
        name_a_group(page, f"by {way}")
        assert token not in page.page.url
        names = {one["name"].split("-")[0]: one["path"] for one in page.page.context.cookies(f"{base}api/run")}
        assert names["latentmap"] == base.removeprefix(f"http://127.0.0.1:{port}").rstrip("/")
        page.page.close()
    finally:
        process.terminate()
        assert token not in process.communicate(timeout=30)[1]
        served.stop()


def test_a_proxy_without_the_prefix_is_told_in_plain_words(prefixed):
    base = prefixed.url.partition("/maps/scans")[0]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{base}/other/scans/")
    assert caught.value.code == 404
    assert "--base-path" in caught.value.read().decode()
