"""The compressed clock: sessions run back to back, and their packets move to the time of the plan.

Only one session runs at a time, so every packet belongs to the session under way. A session starts at
its planned instant; inside it time is real, except for its rests: a rest of 40 s takes a few
milliseconds here and moves everything after it by 40 s.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, field

NEAR_S = 0.005
"""Real time left for the last packets (FIN, ACK) of a session inside."""

FAR_S = 0.05
"""The same for a session with far hosts, whose round trip takes up to 30 ms."""

ACK_S = 0.046
"""More of it before a rest with an open connection: Linux delays an ACK by up to 40 ms."""


def now_us() -> int:
    """Give the real time in microseconds since the epoch, as tcpdump stamps packets."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Clock:
    """The map from real time to planned time, written while the sessions run."""

    real: list[int] = field(default_factory=list)
    shift: list[int] = field(default_factory=list)
    session: list[int] = field(default_factory=list)
    settle_s: float = NEAR_S

    def begin(self, session: int, planned_us: int, *, far: bool) -> None:
        """Start session number ``session`` now, at ``planned_us`` of the plan."""
        time.sleep(self.settle_s)
        self.settle_s = FAR_S if far else NEAR_S
        real = now_us()
        self.real.append(real)
        self.shift.append(planned_us - real)
        self.session.append(session)

    def rest(self, seconds: float, *, connected: bool = False) -> None:
        """Let ``seconds`` of planned time pass; ``connected`` when a connection stays open."""
        time.sleep(self.settle_s + (ACK_S if connected else 0.0))
        self.real.append(now_us())
        self.shift.append(self.shift[-1] + int(seconds * 1e6))
        self.session.append(self.session[-1])

    def place(self, real_us: int) -> tuple[int, int] | None:
        """Give (planned µs, session) of a packet, or None when it came before the first session."""
        at = bisect_right(self.real, real_us) - 1
        if at < 0:
            return None
        return real_us + self.shift[at], self.session[at]
