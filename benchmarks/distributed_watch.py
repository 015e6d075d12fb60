"""What `benchmarks.distributed` sees of processes: memory, processor time; and how it kills an actor at work."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

AT_WORK = 8.0  # processor seconds of an actor that embeds when it is killed
_EVERY = 0.1  # seconds between looks at memory


class Watch:
    """The most memory, and the processor time, of this process and of workers."""

    def __init__(self) -> None:
        self.workers: Callable[[], Sequence[int]] = tuple
        self.peak: dict[int, int] = {}
        self.spent: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(_EVERY):
            for process in (os.getpid(), *self.workers()):
                try:
                    status = Path(f"/proc/{process}/status").read_text()
                    ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
                except OSError:
                    continue
                memory = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)
                self.peak[process] = max(self.peak.get(process, 0), memory * 1024)
                self.spent[process] = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def figures(self) -> dict[str, float]:
        """Stop looking, and tell."""
        self._stop.set()
        self._thread.join()
        own, of_children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        others = {process: peak for process, peak in self.peak.items() if process != os.getpid()}
        return {
            "driver": self.peak[os.getpid()],
            "worker": max(others.values(), default=0),
            "processor": own.ru_utime + own.ru_stime + sum(self.spent[process] for process in others),
            "children": of_children.ru_utime + of_children.ru_stime,
        }


def ray_workers() -> list[int]:
    """Return the processes of actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().startswith(b"ray::Worker"):
                found.append(int(path.parent.name))
    return sorted(found)


def kill_one(watch: Watch, killed: list[int]) -> None:
    """Kill an actor once it has worked for some seconds."""
    while not killed:
        time.sleep(_EVERY)
        for process in ray_workers():
            if not killed and watch.spent.get(process, 0.0) > AT_WORK:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
