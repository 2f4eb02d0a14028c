"""The names of the lints, how grave each is, and what one says when it has found something.

What belongs here: the list and the finding. What does not: how a lint looks (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from eddyline.errors import RefusedError

Level = Literal["refuse", "warn"]

LINTS: Final[dict[str, tuple[Level, str]]] = {
    "fit-outside-train": ("refuse", "a step was fitted on rows outside the training part"),
    "threshold-saw-test": ("refuse", "a threshold was chosen with rows of the test part"),
    "pot-saw-test": ("refuse", "the tail of a threshold was fitted with rows of the test part"),
    "calibration-saw-test": ("refuse", "a calibrator was fitted with rows of the test part"),
    "resample-before-split": ("refuse", "rows were drawn again or made up before the split"),
    "duplicate-rows-across-splits": ("refuse", "equal rows stand on both sides of the split"),
    "seen-feature-rows": ("warn", "test rows equal a training row in the features"),
    "group-leak": ("refuse", "a group stands on both sides of the split"),
    "time-leak": ("refuse", "training rows are later than test rows"),
    "window-spans-split": ("refuse", "a window of features reaches across the cut"),
    "single-feature-shortcut": ("warn", "one feature alone tells attack from normal"),
    "id-feature": ("refuse", "an identifier is used as a feature"),
    "absolute-time-feature": ("refuse", "the absolute time is used as a feature"),
    "label-derived-feature": ("warn", "a feature holds the label"),
    "label-conflict": ("warn", "equal features carry different labels"),
    "constant-feature": ("warn", "a feature never varies"),
    "collapsed-class": ("warn", "nearly all rows of a class are one row"),
    "dependent-features": ("warn", "one value of one feature marks an attack class"),
    "unknown-dataset": ("warn", "the data are not in the registry"),
    "attempted-as-attack": ("warn", "attempts without effect are counted as attacks"),
    "bare-accuracy": ("refuse", "accuracy was asked for without the base rate"),
    "point-adjusted": ("warn", "a whole stretch counts as found when one point of it is"),
    "test-read-twice": ("warn", "the test part was read more than once"),
    "row-dependent-score": ("refuse", "a row's score changes with the rows beside it"),
    "nondeterministic": ("refuse", "two runs with one seed differ"),
    "too-few-groups": ("warn", "there are too few groups for an interval"),
    "meter-mismatch": ("warn", "the data were metered otherwise: equal names, other values"),
    "grace-period": ("refuse", "the data are shorter than the detector's learning period"),
}
"""Level and meaning of each lint, by its stable name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect that was found.

    Parameters
    ----------
    lint
        Its name, a key of ``LINTS``.
    subject
        What it is about: a column, a class, a step.
    value
        How bad, in the measure that the sentence names; None where it is a matter of yes or no.
    sentence
        What was found and the way out, in words.
    level
        How grave; the lint's own level unless the lint grades by size.
    """

    lint: str
    subject: str
    value: float | None
    sentence: str
    level: Level

    @classmethod
    def of(
        cls,
        lint: str,
        subject: str,
        sentence: str,
        *,
        value: float | None = None,
        level: Level | None = None,
    ) -> Finding:
        """Make a finding with the level that the list gives.

        Parameters
        ----------
        lint
            A key of ``LINTS``.
        subject
            What it is about.
        sentence
            What was found and the way out.
        value
            How bad.
        level
            In place of the list's.
        """
        return cls(lint, subject, value, sentence, level or LINTS[lint][0])


def refuse(findings: Iterable[Finding], waived: Iterable[str] = ()) -> None:
    """Stop where a rule is broken that nobody waived.

    Parameters
    ----------
    findings
        What was found.
    waived
        Names of lints that are allowed to fail; the report must say so.

    Raises
    ------
    RefusedError
        At the first finding of level ``refuse`` that is not waived; it names the rule and the subject.
    """
    allowed = frozenset(waived)
    for finding in findings:
        if finding.level == "refuse" and finding.lint not in allowed:
            message = f"{finding.lint}: {finding.sentence}"
            raise RefusedError(message)
