"""Long computations that the page starts, each in a process of its own."""

import contextlib
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentmap.core.subprocesses import python_command, python_environment


@dataclass
class RunningJob:
    """The process of a job, the argument that it got, and the last line that it printed."""

    process: "subprocess.Popen[str]"
    argument: str | None
    said: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None


class LessonJobs:
    """Processes that compute lessons and maps: at most one of each name; they end with the server.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, RunningJob] = {}
        self._lock = threading.Lock()

    def start(self, name: str, argument: str | None = None) -> bool:
        """Start a job, unless it is running.

        Parameters
        ----------
        name : str
            One of ``latentmap.explorer.job_process.JOBS``.
        argument : str, optional
            Argument of the job, which the caller has checked.

        Returns
        -------
        bool
            Whether the job runs with this argument; False if one of the same name runs with another.
        """
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and job.is_running:
                return job.argument == argument
            arguments = [name] if argument is None else [name, argument]
            process = subprocess.Popen(
                python_command("-m", "latentmap.explorer.job_process", str(self._folder.resolve()), *arguments),
                env=python_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE,  # it ends when this is closed
                encoding="utf-8",
                errors="replace",
            )
            job = self._jobs[name] = RunningJob(process, argument)
            threading.Thread(target=_listen, args=(job,), daemon=True).start()
            return True

    def state(self, name: str, argument: str | None = None) -> dict[str, Any]:
        """Whether a job is running, whether it failed, and the last line that it printed.

        With another argument than that of the last job of this name, it is neither.
        """
        job = self._jobs.get(name)
        if job is None or job.argument != argument:
            return {"running": False, "failed": False, "said": None}
        status = job.process.poll()
        return {"running": status is None, "failed": bool(status), "said": job.said}

    def overview(self) -> dict[str, str]:
        """Whether each job that was started is running, failed or done."""
        found = {name: job.process.poll() for name, job in self._jobs.items()}
        return {name: "running" if status is None else "failed" if status else "done" for name, status in found.items()}

    def stop(self) -> None:
        """End all processes."""
        for process in [job.process for job in self._jobs.values()]:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _listen(job: RunningJob) -> None:
    assert job.process.stdout is not None
    for line in job.process.stdout:
        job.said = line.strip()
