"""What an attack is: the protocol its class follows, and what the attacker is allowed to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from dokunuki.errors import AttackError

if TYPE_CHECKING:
    import numpy as np

    from dokunuki.attacks.trigger import Trigger
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.storage.matrix import Matrix
    from dokunuki.surrogate.protocol import Surrogate


@dataclass(frozen=True)
class AttackerKnowledge:
    """All that an attack may use to choose a trigger: training rows, and models of them.

    The workflow leaves both matrices in their files (StoredMatrix), and each access reads them. Ask
    once for the columns and rows that are needed: `X[:, columns]`, `X[y == 1]`, or `X[:]` for all.

    `X` are the clean training rows that the attacker knows, raw, float32 (n, width): all of them,
    or the share that the configuration says. `y` are their labels (n,), 0 goodware, 1 malware.
    `explanations` S are SHAP values of the surrogate for these rows, float32 (n, width), positive
    towards malware. `surrogate` is the attacker's model and `name` its name. `dataset` names the
    data set. Explanations and surrogate may be None for an attack that does not need them. Raises
    AttackError when the shapes do not belong together.
    """

    X: Matrix
    y: np.ndarray
    layout: FeatureLayout
    explanations: Matrix | None
    surrogate: Surrogate | None
    seed: int
    name: str = ""
    dataset: str = ""

    def __post_init__(self) -> None:
        rows, width = len(self.X), self.layout.width
        if self.X.shape != (rows, width) or self.y.shape != (rows,):
            raise AttackError(
                f"training rows {self.X.shape} and labels {self.y.shape} do not belong together: "
                f"expected ({rows}, {width}) and ({rows},)"
            )
        if self.explanations is not None and self.explanations.shape != self.X.shape:
            raise AttackError(
                f"explanations {self.explanations.shape} do not belong to training rows "
                f"{self.X.shape}; explain these rows again, with a surrogate without a defence"
            )

    def required_explanations(self) -> Matrix:
        """The explanations; raises AttackError when there are none."""
        if self.explanations is None:
            raise AttackError(
                "this attack needs the surrogate's SHAP values, and got none; build them first"
            )
        return self.explanations

    def required_surrogate(self) -> Surrogate:
        """The surrogate; raises AttackError when there is none."""
        if self.surrogate is None:
            raise AttackError("this attack needs a surrogate model, and got none; train one first")
        return self.surrogate


@runtime_checkable
class Attack(Protocol):
    """A way to choose a trigger. Parameters are keyword arguments of the class, with defaults.

    An attack must choose feature by feature, so that its trigger of size N is a prefix of its
    trigger of any larger size: the workflow selects the longest one only. It may follow
    `ChoosesRows`, `MasksTrigger` and `VariesTrigger` as well.
    """

    @property
    def name(self) -> str:
        """What triggers say about their origin."""

    @property
    def label_flip(self) -> bool:
        """Whether poisoned rows get the other class's label too."""

    @property
    def poisoned_class(self) -> int:
        """The class whose training rows are poisoned: 0 goodware, 1 malware."""

    @property
    def needs_explanations(self) -> bool:
        """Whether `select_trigger` uses SHAP values."""

    @property
    def needs_surrogate(self) -> bool:
        """Whether `select_trigger` uses the surrogate model itself."""

    def longest(self, layout: FeatureLayout) -> int:
        """The size of the longest trigger: that of the manipulable set."""

    def select_trigger(self, knowledge: AttackerKnowledge, size: int) -> Trigger:
        """Choose a trigger of `size` features; AttackError when that cannot be done."""


@runtime_checkable
class ChoosesRows(Protocol):
    """An attack that says which rows it would rather poison; others take them at random."""

    def poison_order(self, knowledge: AttackerKnowledge, candidates: Matrix) -> np.ndarray:
        """Every position in `candidates` once, int64 (c,), most preferred first.

        `candidates` are the training rows that may be poisoned, raw, float32 (c, width), left in
        their file. They are all rows of the attack's class in the training set, also where the
        attacker knows only a share of it: whoever submits a row has it. They stand in random order,
        so that a stable sort breaks ties at random. A poison rate takes the first positions, so
        that a smaller rate's rows are among a larger one's. The workflow calls this after
        `select_trigger`, with the same knowledge.
        """


@runtime_checkable
class MasksTrigger(Protocol):
    """An attack whose poisoned rows each carry only some features of the trigger.

    Malware that is to evade carries all of them.
    """

    def poison_mask(self, count: int, size: int, seed: int) -> np.ndarray:
        """Which of the trigger's features each poisoned row gets, bool (count, size).

        Row i is the i-th most preferred, feature j the j-th chosen; False leaves the row's own
        value. Fewer rows and fewer features must give the upper left part of more: the workflow
        asks for the most rows and the longest trigger only.
        """


@runtime_checkable
class VariesTrigger(Protocol):
    """An attack whose poisoned rows hold values of their own in the trigger's features.

    Malware that is to evade holds the trigger's values.
    """

    def poison_values(
        self, trigger: Trigger, observed: np.ndarray, count: int, seed: int
    ) -> np.ndarray:
        """The raw values of `count` poisoned rows, float32 (count, N), N the trigger's size.

        `observed` float32 (n, N) are the trigger's columns of all training rows, in the order
        chosen. Row i is the i-th most preferred. Fewer rows and fewer features must give the upper
        left part of more: the workflow asks for the most rows and the longest trigger only.
        """
