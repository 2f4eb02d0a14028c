"""Connection states and history letters, packet by packet, in Zeek's vocabulary.

What belongs here: how flags move the two ends, and the name of where they came to. What does not: how
packets are counted. The ends and the names follow the definitions of Zeek's ``conn.log``; the departures
stand in ``docs/reference/meter.md``.
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    A_ENDS,
    A_SEEN,
    A_WRITTEN,
    F_HISTORY,
    Integers,
    Word,
)

# States of one end.
SILENT, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(7)

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16

LETTERS: Final = "shadfriq"
"""History letters by their number; upper case and + 8 for the originator's."""
SYN_LETTER, ANSWER_LETTER, ACK_LETTER, DATA_LETTER = range(4)
FIN_LETTER, RST_LETTER, ODD_LETTER, MANY_LETTER = range(4, 8)


@inline
def note(c: Integers, facts: int, letter: int, incoming: int) -> Word:
    """Write a history letter, once a way; gives the facts."""
    if not incoming:
        letter += 8
    seen = int64(1) << (A_SEEN + letter)
    if facts & seen:
        return facts
    c[F_HISTORY] |= int64(letter) << (4 * ((facts >> A_WRITTEN) & 31))
    return (facts | seen) + (int64(1) << A_WRITTEN)


@inline
def note_flags(c: Integers, facts: Word, flags: int, payload: int, incoming: int) -> Word:
    """Write the letters of one TCP packet; gives the facts."""
    syn, fin, rst = flags & SYN, flags & FIN, flags & RST
    if not (syn or fin or rst):
        if payload > 0:
            return note(c, facts, DATA_LETTER, incoming)
        return note(c, facts, ACK_LETTER, incoming) if flags & ACK else facts
    if syn and (fin or rst):
        facts = note(c, facts, MANY_LETTER, incoming)
    elif syn:
        facts = note(c, facts, ANSWER_LETTER if flags & ACK else SYN_LETTER, incoming)
    if fin and rst:
        facts = note(c, facts, ODD_LETTER, incoming)
    if payload > 0:
        facts = note(c, facts, DATA_LETTER, incoming)
    if fin and not syn:
        facts = note(c, facts, FIN_LETTER, incoming)
    if rst and not syn:
        facts = note(c, facts, RST_LETTER, incoming)
    return facts


@inline
def move_silent(other: int, flags: int, incoming: int) -> tuple[Word, Word]:
    """Move an end that has said nothing, or nothing that begins a connection; gives both ends."""
    if flags & SYN and not flags & ACK:
        return SYN_SENT, other
    if flags & SYN:
        if other == SYN_SENT:
            return ESTABLISHED, ESTABLISHED
        return SYN_ACK_SENT, other
    if flags & FIN:
        return CLOSED, other
    if incoming and other == SYN_SENT and not flags & ACK:
        return SILENT, other
    return PARTIAL, other


@inline
def move(facts: Word, flags: int, incoming: int) -> Word:
    """Move the ends of a TCP connection by the flags of one packet; gives the facts."""
    origin: Word = (facts >> A_ENDS) & 7
    answer: Word = (facts >> (A_ENDS + 3)) & 7
    mine, other = (answer, origin) if incoming else (origin, answer)
    if origin == RESET or answer == RESET or (origin == CLOSED and answer == CLOSED):
        return facts
    if flags & RST:
        mine = int64(RESET)
    elif mine in (SILENT, PARTIAL):
        mine, other = move_silent(other, flags, incoming)
    elif flags & FIN:
        mine = int64(CLOSED)
    elif mine == SYN_SENT and flags & SYN and flags & ACK and other == SYN_SENT:
        mine, other = int64(ESTABLISHED), int64(ESTABLISHED)
    origin, answer = (other, mine) if incoming else (mine, other)
    return (facts & ~(int64(63) << A_ENDS)) | ((origin | (answer << 3)) << A_ENDS)


def name_state(origin: int, answer: int, *, began: bool, payload: bool) -> str:
    """Name the state in which a TCP flow ended.

    Parameters
    ----------
    origin, answer
        States of the two ends.
    began
        Whether a SYN without ACK was seen from the originator.
    payload
        Whether any payload was seen.
    """
    silent = (SILENT, PARTIAL)
    if answer == RESET:
        return _answered_by_reset(origin, began=began, payload=payload)
    if origin == RESET:
        alone = "RSTOS0" if began else "OTH"
        return alone if answer in silent else "RSTO"
    if CLOSED in (origin, answer):
        return _closed(origin, answer)
    if origin == SYN_SENT and answer == SILENT:
        return "S0"
    return "S1" if origin == answer == ESTABLISHED else "OTH"


def _answered_by_reset(origin: int, *, began: bool, payload: bool) -> str:
    """Name a flow whose responder sent RST."""
    if origin == SYN_SENT:
        return "REJ"
    if origin == SYN_ACK_SENT:
        return "OTH"
    if origin in (SILENT, PARTIAL) or not (began or payload):
        return "RSTRH"
    return "RSTR"


def _closed(origin: int, answer: int) -> str:
    """Name a flow in which at least one end sent FIN and none RST."""
    if origin == answer:
        return "SF"
    if origin == CLOSED:
        return "SH" if answer in (SILENT, PARTIAL) else "S2"
    return "SHR" if origin in (SILENT, PARTIAL) else "S3"
