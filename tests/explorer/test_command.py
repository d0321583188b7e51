"""``latentmap explore`` and ``latentmap.explore()``: how they begin, end, and refuse."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from latentmap import explore
from latentmap.explorer import Explorer
from latentmap.explorer.listening import listen

SOURCES = str(Path(__file__).parents[2] / "src")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "latentmap", "explore", *map(str, arguments), "--no-browser"]


def test_what_is_no_run_is_refused_with_a_sentence(tmp_path):
    done = subprocess.run(
        command(tmp_path), env=os.environ | {"PYTHONPATH": SOURCES}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f"latentmap: {tmp_path}: no run.json in it: pass a folder that `latentmap run` made\n"


def test_a_port_that_is_taken_is_refused_with_a_sentence(copied):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            command(copied, "--port", port),
            env=os.environ | {"PYTHONPATH": SOURCES},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert f"port {port} is taken: pass another one with --port" in done.stderr
        with pytest.raises(OSError, match="is taken"):
            listen(port)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_it_listens_on_loopback_alone_and_ends_with_ctrl_c(copied):
    process = subprocess.Popen(
        command(copied, "--port", 0),
        env=os.environ | {"PYTHONPATH": SOURCES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[1]
    assert url.startswith("http://127.0.0.1:")
    assert urllib.request.urlopen(url).status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 130)
    assert "Traceback" not in process.stderr.read()


def test_an_explorer_in_python_is_served_until_it_is_closed(copied):
    explorer = explore(copied, height=500)
    base, _, token = explorer.url.partition("#token=")
    read = urllib.request.Request(f"{base}api/run", headers={"X-Latentmap-Token": token})
    assert urllib.request.urlopen(read).status == 200
    assert explorer.selection == []
    body = b'{"ids": [3, 1, 3]}'
    headers = {"Content-Type": "application/json", "X-Latentmap-Token": token}
    request = urllib.request.Request(f"{base}api/selection", body, headers)
    assert urllib.request.urlopen(request).status == 200
    assert explorer.selection == [1, 3]
    html = explorer._repr_html_()
    assert "height: 500px" in html
    assert explorer.url in html
    other = Explorer(copied)  # two at once have ports of their own
    assert other.port != explorer.port
    other.close()
    explorer.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{base}api/run", timeout=2)


def test_importing_latentmap_loads_no_server():
    code = "import sys, latentmap; sys.exit('starlette' in sys.modules or 'uvicorn' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": SOURCES}, check=False).returncode
        == 0
    )
