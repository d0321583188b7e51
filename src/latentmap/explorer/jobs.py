"""Long computations that the page starts, each in a process of its own, one after the other."""

import contextlib
import subprocess
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentmap.core.subprocesses import python_command, python_environment


@dataclass
class Job:
    """A job: its argument, its process once it has begun, and the last line that it printed."""

    name: str
    argument: str | None
    process: "subprocess.Popen[str] | None" = None
    said: str = ""
    is_cancelled: bool = False

    @property
    def status(self) -> str:
        """queued, running, done, failed or cancelled."""
        if self.is_cancelled:
            return "cancelled"
        if self.process is None:
            return "queued"
        status = self.process.poll()
        return "running" if status is None else "failed" if status else "done"

    @property
    def is_active(self) -> bool:
        """Whether the job waits or runs."""
        return self.status in ("queued", "running")


class LessonJobs:
    """Processes that compute lessons and maps: one at a time, and at most one job of each name.

    They end with the server.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._lock = threading.Lock()
        self._is_stopped = False

    def start(self, name: str, argument: str | None = None) -> bool:
        """Start a job, or let it wait for the one that runs, unless it waits or runs already.

        Parameters
        ----------
        name : str
            One of ``latentmap.explorer.job_process.JOBS``.
        argument : str, optional
            Argument of the job, which the caller has checked.

        Returns
        -------
        bool
            Whether the job has this argument; False if one of the same name waits or runs with another.
        """
        with self._lock:
            job = self._jobs.get(name)
            if job is not None and job.is_active:
                return job.argument == argument
            job = self._jobs[name] = Job(name, argument)
            self._waiting.append(job)
            self._begin_next()
            return True

    def _begin_next(self) -> None:
        """Begin the job that waits longest, unless one runs; the lock is held."""
        if self._is_stopped or not self._waiting or any(job.status == "running" for job in self._jobs.values()):
            return
        job = self._waiting.popleft()
        arguments = [job.name] if job.argument is None else [job.name, job.argument]
        job.process = subprocess.Popen(
            python_command("-m", "latentmap.explorer.job_process", str(self._folder.resolve()), *arguments),
            env=python_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,  # it ends when this is closed
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=self._listen, args=(job, job.process), daemon=True).start()

    def _listen(self, job: Job, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed by stop
            for line in process.stdout:
                job.said = line.strip()
        process.wait()
        with self._lock:
            self._begin_next()

    def cancel(self, name: str, argument: str | None = None) -> None:
        """End a job that waits or runs with this argument; what it has completed is kept."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None or job.argument != argument or not job.is_active:
                return
            if job.process is None:
                self._waiting.remove(job)
            else:
                job.process.kill()
                job.process.wait()
            job.is_cancelled = True
            self._begin_next()

    def state(self, name: str, argument: str | None = None) -> dict[str, Any]:
        """Whether a job waits or runs, whether it failed or was cancelled, and the last line that it printed.

        With another argument than that of the last job of this name, it is none of these.
        """
        job = self._jobs.get(name)
        status = None if job is None or job.argument != argument else job.status
        found: dict[str, Any] = {one: status == one for one in ("queued", "failed", "cancelled")}
        said = None if job is None or status is None else job.said
        return {"running": status in ("queued", "running"), "said": said} | found

    def overview(self) -> dict[str, str]:
        """The status of each job that was started."""
        with self._lock:
            return {name: job.status for name, job in self._jobs.items()}

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            self._is_stopped = True
            self._waiting.clear()
            processes = [job.process for job in self._jobs.values() if job.process is not None]
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
