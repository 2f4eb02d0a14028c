"""LUFlow: nine published days, and the three tasks that predict a later day from earlier ones.

What belongs here: which days are meant, their bytes, and the tasks. What does not: reading a day
(``read/luflow.py``) and what is measured on it (``shift.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eddyline.errors import InputError
from eddyline.evaluate.corpora.card import CorpusCard
from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows

CARD: Final = CorpusCard(
    name="luflow",
    files={
        "2020.07.08.zip": "93d8f0416079863c36241a29bb25cbdc373924a9eab905c2a25f9dac35bc460a",
        "2020.07.09.zip": "709197f30e3a7688afc44279e1cd708fb910281ebc1eefa6898b835c844c4d0c",
        "2020.07.11.zip": "a8d12080542959276c384ea88c3b624fcb34475edf45717a6cbe2359862d5ead",
        "2020.12.16.zip": "5942de3dbd84a82c45948d5356c88aceefa24186656c815700513163ef037860",
        "2020.12.17.zip": "3211d72ce2c3dbc174729b8aeb50392f84d70ee9cdb0accea1a6cf4ff599d8ed",
        "2020.12.18.zip": "0218f5738a483cd345ac1d27fed7fe9cc860b65f7b9bb439c8039682b3effac3",
        "2020.12.21.zip": "4345cc20289623a0131074f28a114d921bf8d897ea9ef983e586144e8711d1a0",
        "2020.12.28.zip": "73c9af078a4d5c47f74477aa2bbe035e5b6c6d24a26be535bfd69da5e1938dcd",
        "2020.12.31.zip": "6b7ae45345aca0cdb1799ad12d61c9c307483d6f0d2396a9e6c8e96dc6cbc814",
    },
    worth="one honeypot network in 2020, its labels by threat lists; addresses are AS numbers",
    source="Mills, Marchang, Race, LUFlow, Lancaster University, 2021, repository ruzzzzz/LUFlow",
    licence="none stated: download it yourself, do not redistribute",
)
"""Which files are meant, and what their figures are worth."""

CLASSES: Final = ("benign", "malicious", "outlier")
"""The labels, in sorted order."""


@dataclass(frozen=True, slots=True)
class Task:
    """Predict one day from earlier ones.

    Parameters
    ----------
    name
        One letter, as published results of ours name it.
    train
        Days that labels may be taken from, all before ``test``.
    test
        The predicted day.
    """

    name: str
    train: tuple[str, ...]
    test: str


TASKS: Final = (
    Task("A", ("2020.07.08", "2020.07.09"), "2020.07.11"),
    Task("B", ("2020.07.08", "2020.07.09", "2020.07.11"), "2020.12.16"),
    Task("C", ("2020.12.16", "2020.12.21"), "2020.12.28"),
)
"""The tasks, in order of time."""


def read_day(folder: Path, day: str) -> FlowBatch:
    """Read one day with its labels, in event-time order.

    Parameters
    ----------
    folder
        Where the zips lie.
    day
        Such as ``2020.07.08``.

    Raises
    ------
    InputError
        When the day is absent.
    """
    path = folder / f"{day}.zip"
    if not path.is_file():
        message = (
            f"{day} of LUFlow must lie in {folder} as {path.name}, is absent; download it there"
        )
        raise InputError(message)
    return FlowBatch.concat(list(read_flows(path, statistics=True)))


def days_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """Give the days that some tasks need, each once, in order.

    Parameters
    ----------
    tasks
        Any of them.
    """
    return tuple(sorted({day for task in tasks for day in (*task.train, task.test)}))
