"""Long computations of the lessons, each in a process of its own."""

import contextlib
import subprocess
import threading
from pathlib import Path
from typing import Any

from latentmap.core.subprocesses import python_command, python_environment


class LessonJobs:
    """Processes that compute lessons: at most one of each name; they end with the server.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._said: dict[str, str] = {}
        self._lock = threading.Lock()

    def start(self, name: str) -> None:
        """Start a job, unless it is running."""
        with self._lock:
            if self._is_running(name):
                return
            self._running[name] = subprocess.Popen(
                python_command("-m", "latentmap.explorer.lessons", str(self._folder.resolve()), name),
                env=python_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE,  # it ends when this is closed
                encoding="utf-8",
                errors="replace",
            )
            self._said[name] = ""
            threading.Thread(target=self._listen, args=(name, self._running[name]), daemon=True).start()

    def _listen(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._said[name] = line.strip()

    def _is_running(self, name: str) -> bool:
        return name in self._running and self._running[name].poll() is None

    def state(self, name: str) -> dict[str, Any]:
        """Whether a job is running, whether it failed, and the last line that it printed."""
        process = self._running.get(name)
        status = None if process is None else process.poll()
        return {"running": process is not None and status is None, "failed": bool(status), "said": self._said.get(name)}

    def stop(self) -> None:
        """End all processes."""
        for process in self._running.values():
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
