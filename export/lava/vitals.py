"""Whether a process group still works: the processor time that it consumes."""

import os
import time
from pathlib import Path

SHARE = 0.01
"""Of the time since the last sign of life: what a group must have computed to count as alive."""
LEAST_SECONDS = 0.05
LOOK_SECONDS = 1.0


class Pulse:
    """Seconds since the last sign of life of a process group, looked at at least four times within ``limit`` seconds.

    A sign is a line that it wrote, or processor time of at least 1 % of the silence. Processes of Lava that wait for
    each other sleep, so a group that is stopped or deadlocked consumes none.
    """

    def __init__(self, group: int, limit: float) -> None:
        self.group, self.every = group, min(LOOK_SECONDS, limit / 4)
        self.computed = 0.0
        self.alive_at = self.looked_at = time.monotonic()

    def beat(self) -> None:
        """Take note of a line."""
        self.alive_at = time.monotonic()

    def silence(self) -> float:
        """Return the seconds since the last sign of life."""
        now = time.monotonic()
        if now - self.looked_at >= self.every:
            self.looked_at = now
            self._look(now)
        return now - self.alive_at

    def _look(self, now: float) -> None:
        computed = processor_seconds(self.group)
        if computed - self.computed >= max(LEAST_SECONDS, SHARE * (now - self.alive_at)):
            self.computed, self.alive_at = computed, now
        self.computed = min(self.computed, computed)  # a process that ended took its time along


def processor_seconds(group: int) -> float:
    """Return the processor time of the group's living processes and of those they waited for; 0 without /proc."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
