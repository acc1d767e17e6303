"""The words of GradTS as types: what plugins register and what the stages hand to each other.

Specifications (`...Spec`) are cheap records that a plugin returns from its hooks; whatever is heavy (torch, a download, generated
data) waits inside the functions they carry. All records are frozen and safe to share between threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Protocol, runtime_checkable

from gradts_engine.repeats import Repeats as Repeats
from gradts_engine.repeats import Verdict as Verdict
from gradts_engine.settings import Section

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    import torch

Row = Mapping[str, Any]
"""One record of a data file: column name to value."""


@dataclass(frozen=True)
class Parallel:
    """Text files that belong together line by line: column name and file of each."""

    files: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return " + ".join(file for _, file in self.files)


Source = str | tuple[str, ...] | Parallel | Callable[..., Iterable[Row]]
"""Where a split's rows come from: a file or a pattern for several (`data/*.jsonl`), several of these, files that belong together
line by line, a Hub data set (`hf:owner/name/config:split`) or a function that yields them."""

Format = Literal["csv", "tsv", "jsonl", "json", "parquet", "conll", "conllu", "sentences", "lines"]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What is set of how a task's files are read; None: it is detected, file by file.

    `quoting` "none" takes quotation marks as text. `header` names the columns of files without a header, or those of CoNLL files.
    """

    format: Format | None = None
    delimiter: str | None = None
    quoting: Literal["minimal", "none"] | None = None
    encoding: str | None = None
    header: tuple[str, ...] | None = None


class Answer(NamedTuple):
    """A part of a context: its text, and its first character from 0."""

    text: str
    start: int


Label = str | float | tuple[str, ...] | tuple[Answer, ...]
"""A class name or a candidate's position; a number; a class name a word, or several for a sentence; answers to a question."""

Text = tuple[str, ...]
"""One sentence, a pair of sentences, the words of a token task, or a query and its candidates."""


# --- tasks -----------------------------------------------------------------------------------------------------------


Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU", "IO"]
"""How the tags of words mark spans: `gradts_engine.learning.tags`."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a metric needs to know of a task besides its classes: the class that counts where a metric is of one class (default:
    the last), and how tags mark spans (default: as detected), strictly or not."""

    positive: str | None = None
    scheme: Scheme | None = None
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A labelled task, as a plugin registers it or as a `[tasks.NAME]` table defines it.

    `text` names one column, or two for a pair. `labels` fixes the classes and their order; without it they are those of the train
    rows, sorted. `positive`, `scheme` and `strict` are its `Rules`. `group` names a column whose equal values stay together in a
    cut. `options` are keyword arguments for sources that are functions (the dials of generated data). `indicators` are columns of
    0 and 1, one a class, that make up the label of a multi_label task. `separator` stands between the classes or words of a
    column that holds several in a string; `dialect` is what is set of how files are read.
    """

    name: str
    type: str
    train: Source
    dev: Source | None = None
    test: Source | None = None
    text: str | tuple[str, ...] = "text"
    label: str = "label"
    labels: tuple[str, ...] | None = None
    metric: str | None = None
    positive: str | None = None
    scheme: Scheme | None = None
    strict: bool = False
    dev_fraction: float | None = None
    group: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dialect: Dialect = Dialect()
    indicators: tuple[str, ...] = ()
    separator: str | None = None
    description: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One example: `row` is its position in the source (from 0), bad rows counted, so that it can be found again."""

    row: int
    text: Text
    label: Label


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """A task as read: checked instances, bad rows left out, and a digest of what a model can see, of each split.

    `labels` is empty for a task whose labels are numbers, and otherwise has the model's outputs in their order; `unknown` are
    classes that dev or test rows have and train rows never. The digests are of each split by itself, since not every stage
    depends on every split: a corrected test row must not cost a training.

    `unlabelled` are test rows without a label: predicted, not scored. `texts[split]` [N] uint64 are hashes by which equal
    texts of all tasks are found, those of `unlabelled` at the end of "test". `classes[name][split]` counts labels, of words where
    words have them; rows without a label count as class "-1". `duplicates` counts rows with the text of an earlier one of their
    split.
    """

    name: str
    type: str
    metric: str
    labels: tuple[str, ...]
    splits: Mapping[str, Sequence[Instance]]
    skipped: Mapping[str, int]
    digests: Mapping[str, str]
    rules: Rules = Rules()
    unknown: tuple[str, ...] = ()
    unlabelled: tuple[Instance, ...] = ()
    texts: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def judged_by(self) -> str:
        """The metric with what it depends on, as people are shown it: `f1 of yes`, `span_f1 (IOB2)`."""
        scheme = f" ({self.rules.scheme}{', strict' if self.rules.strict else ''})" if self.rules.scheme else ""
        return f"{self.metric} of {self.rules.positive}" if self.rules.positive else f"{self.metric}{scheme}"


class TaskType(Protocol):
    """How one kind of task is read, modelled, trained and judged. Shapes: B instances, T tokens, D hidden size, C outputs.

    A task type is also `PlainInputs` or `OwnInputs`, and `PlainHead` or `OwnHead`; it may be `TextAnswers`, and says
    `labelled = False` where its rows need no label.
    """

    word_level: bool
    """Whether the text is a list of words with one label each (inputs are then split by word)."""

    def read_text(self, values: Sequence[Any]) -> Text:
        """The text columns of a row as `Text`; raises ValueError with what is wrong."""

    def read_label(self, value: Any, text: Text) -> Label:
        """The label of a row; raises ValueError with what is wrong."""

    def classes(self, label: Label) -> Iterable[str]:
        """The class names that a label uses (none for a number)."""

    def collate(self, targets: Sequence[np.ndarray], length: int) -> torch.Tensor:
        """Targets of a batch, padded to `length` tokens where there is one entry a token."""

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed loss [B] and number of scored outputs [B] of each instance: an instance's loss is their quotient, a batch's
        loss the quotient of their sums."""

    def predict(self, logits: torch.Tensor, targets: torch.Tensor, labels: Sequence[str]) -> list[Label]:
        """Predicted labels of a batch, words whose first token was truncated left out."""

    def gold(self, targets: torch.Tensor, labels: Sequence[str]) -> list[Label]:
        """True labels of a batch, in the same form as `predict`."""


@runtime_checkable
class PlainInputs(Protocol):
    """What most task types have besides: their texts are tokenised as they are."""

    def targets(self, label: Label, labels: Sequence[str], word_ids: Sequence[int | None]) -> np.ndarray:
        """What the loss needs of one instance: a scalar array, or one entry a token; `word_ids[t]` is token t's word."""


class Tokens(NamedTuple):
    """An instance as a task type has tokenised it: one list a sequence for each input, what the loss needs, whether a text was
    cut."""

    inputs: Mapping[str, Sequence[Sequence[int]]]
    target: np.ndarray
    truncated: bool


@runtime_checkable
class OwnInputs(Protocol):
    """What a task type has instead of `PlainInputs` where that does not do: several sequences an instance, changed tokens, or
    targets that depend on where a token is in its text.

    A head then gets hidden states [B * K, T, D] and gives logits [B * K, ...], the K sequences of an instance next to each other.
    """

    def sequences(self, text: Text) -> int:
        """How many sequences an instance has; K is the largest number in a split."""

    def tokenise(self, instance: Instance, labels: Sequence[str], tokenizer: Any, max_length: int, sequences: int) -> Tokens:
        """An instance as exactly `sequences` sequences, whatever it has by itself: the loss must not depend on those added."""


@runtime_checkable
class PlainHead(Protocol):
    """What most task types have besides."""

    def head(self, hidden_size: int, labels: Sequence[str], dropout: float) -> torch.nn.Module:
        """A module from hidden states [B, T, D] to logits [B, C] or [B, T, C], its weights not yet initialised.

        One that reads the first token alone says so with an attribute `first_token = True`; it may then get [B, 1, D].
        """


@runtime_checkable
class OwnHead(Protocol):
    """What a task type has instead of `PlainHead` whose head needs to know the encoder."""

    def head_on(self, encoder: torch.nn.Module, hidden_size: int, labels: Sequence[str], dropout: float) -> torch.nn.Module:
        """As `PlainHead.head`."""


@runtime_checkable
class ClassScores(Protocol):
    """What a task type has besides for metrics that are made of scores (`roc_auc`, `average_precision`)."""

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """How likely each class is, [B, C]."""


@runtime_checkable
class TextAnswers(Protocol):
    """What a task type has besides whose answers are parts of a text."""

    def answers(
        self, logits: torch.Tensor, targets: torch.Tensor, instances: Sequence[Instance]
    ) -> tuple[list[Label], list[Label]]:
        """True and predicted answers of a batch."""


@dataclass(frozen=True, kw_only=True)
class TaskTypeSpec:
    """A kind of task. `metrics[0]` is the default main metric; `texts` says how many text columns are allowed. `version` is
    raised when it computes something else from the same data, as that of every other specification."""

    name: str
    metrics: tuple[str, ...]
    texts: tuple[int, ...]
    load: Callable[[], TaskType]
    version: int = 1
    description: str = ""


# --- encoders --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Projection:
    """Where a query, key or value projection lives: output rows `start:stop` of the linear module `module`, holding `heads`
    heads of `(stop - start) / heads` rows each. `call` counts the calls of a module that several layers share (ALBERT)."""

    module: str
    start: int
    stop: int
    heads: int
    call: int = 0


@dataclass(frozen=True)
class HeadSites:
    """The projections of every layer, from the first layer to the last: `layers[l]["key"]` and so on.

    `batched` is False where a projection also sees inputs that a batch shares (relative positions in DeBERTa), so that
    gradients of single instances cannot be told apart inside a batch and each instance is scored by itself.
    """

    layers: tuple[Mapping[str, Projection], ...]
    batched: bool = True


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """A pretrained encoder. `source` gives a folder or a Hub name; `sha256` maps file names in that folder to digests that are
    verified on load; `head_sites` says where the heads are if the model's family is not one that GradTS knows;
    `model` builds the module from a folder, the source or an exported model, where `AutoModel.from_pretrained` is not the way;
    `tokenizer` changes the fast tokenizer that was found there."""

    name: str
    source: Callable[[], str]
    sha256: Mapping[str, str] = field(default_factory=dict)
    head_sites: Callable[[torch.nn.Module], HeadSites] | None = None
    model: Callable[[str], torch.nn.Module] | None = None
    tokenizer: Callable[[Any], Any] | None = None
    version: int = 1
    description: str = ""


# --- selection -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Auxiliary:
    """A selected candidate: all its instances, or those at the positions `instances` of its train split."""

    task: str
    instances: tuple[int, ...] | None = None


Selection = tuple[Auxiliary, ...]
"""The auxiliaries chosen for one primary; empty means that it is trained alone."""

Evaluate = Callable[[Sequence[Selection], Sequence[int]], Sequence[Repeats]]
"""Dev scores of trials: `evaluate(selections, repeats)` gives one `Repeats` a selection with one value a repeat, NaN where a
training failed. Cached and seeded; all trials of a call run side by side."""

Judge = Callable[[Sequence[Selection], Sequence[int]], Sequence[Verdict]]
"""As `Evaluate`, but each selection against the primary alone, on rows that `Evaluate` does not score. Give it repeats that no
choice was made on."""


@dataclass(frozen=True)
class Trials:
    """What a strategy may have computed."""

    evaluate: Evaluate
    judge: Judge


@dataclass(frozen=True, kw_only=True)
class StoredTrial:
    """A trial of an earlier run, or a pilot: `score` of `primary` with the train instances of `auxiliaries` (none: alone) in a
    repeat. Only trials of one `protocol` (encoder, settings, data limits: a digest) can be compared."""

    primary: str
    auxiliaries: tuple[str, ...]
    repeat: int
    score: float
    protocol: str = ""


def _not_asked_for(*of: object) -> NoReturn:
    raise LookupError(f"no evidence of {of}: what a predictor reads has to be named in its `needs`")


Need = Literal["importance", "state", "states", "gradients", "trials"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a predictor may look at, for one primary. Only what the predictor's `needs` names is there.

    `candidates` are those that have evidence, in the order of tasks.toml. Shapes: L layers, H heads, D hidden size, N train rows.
    `importance(task, repeat)` is the mean raw importance [L, H]; `state(task)` the mean state [D] of the pretrained encoder;
    `states(rows, tuned, repeat)` the states [N, D] of the rows of one task under the encoder that was tuned on another (None: the
    pretrained one), and `targets(task)` what is to be told from them: class numbers, int64 [N], or numbers, float64 [N];
    `alignment(primary, candidate, repeat)` see `gradient`; `trials` are stored trials of the same protocol.
    """

    primary: str
    candidates: tuple[str, ...]
    repeats: int = 1
    seed: int = 0
    importance: Callable[[str, int], np.ndarray] = field(default=_not_asked_for)
    state: Callable[[str], np.ndarray] = field(default=_not_asked_for)
    states: Callable[[str, str | None, int], np.ndarray] = field(default=_not_asked_for)
    targets: Callable[[str], np.ndarray] = field(default=_not_asked_for)
    alignment: Callable[[str, str, int], float] = field(default=_not_asked_for)
    trials: Sequence[StoredTrial] = ()


class Predictor(Protocol):
    """A function of evidence: how much each candidate is expected to help, higher is better, for every repeat."""

    def __call__(self, evidence: Evidence) -> Mapping[str, Repeats]: ...


@dataclass(frozen=True, kw_only=True)
class PredictorSpec:
    """A way to foretell which candidates help. `needs` names the parts of `Evidence` that it reads: what no chosen one needs is
    not computed. `cost` says what it costs in units of one pair training. `correlation`: its values lie between -1 and 1."""

    name: str
    load: Callable[[], Predictor]
    needs: tuple[Need, ...]
    version: int = 1
    description: str = ""
    cost: str = ""
    correlation: bool = False


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What a strategy may look at, for one primary. `candidates` are in the order of tasks.toml; `predicted[name][candidate]` is
    NaN where nothing is known; `predictor` names the one that orders. `instance_tau(a)` is `[instances of a]`, row order =
    train split."""

    primary: str
    candidates: tuple[str, ...]
    predictor: str
    predicted: Mapping[str, Mapping[str, Repeats]]
    instance_tau: Callable[[str], np.ndarray]

    def value(self, candidate: str) -> float:
        """What the predictor that orders says of a candidate, the mean over its repeats."""
        return self.predicted[self.predictor][candidate].mean

    def order(self) -> list[str]:
        """Candidates by falling value, ties in the order of tasks.toml; those of which nothing is known are left out."""
        values = {c: self.value(c) for c in self.candidates}
        return sorted((c for c in values if not math.isnan(values[c])), key=lambda c: -values[c])


class Strategy(Protocol):
    """A function of a ranking and of scores: the same of both give the same selection, so it has no state to save. `settings` is
    what `[selection.NAME]` says, an instance of the specification's model."""

    def __call__(self, ranking: Ranking, trials: Trials, settings: Any) -> Selection: ...


@dataclass(frozen=True, kw_only=True)
class StrategySpec:
    """A way to choose auxiliaries. `settings` gives the model of its table `[selection.NAME]`, a subclass of
    `gradts_engine.settings.Section`. `predictor` orders the candidates where `[selection] predictor` names none; None: it
    needs no order. `needs_instances`: it asks for `instance_tau`. `judges`: it asks for verdicts, so that
    its trials are scored on the other dev rows."""

    name: str
    load: Callable[[], Strategy]
    settings: Callable[[], type[Section]] = field(default=lambda: Section)
    predictor: str | None = "tau"
    needs_instances: bool = False
    judges: bool = False
    version: int = 1
    description: str = ""


# --- executors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Device:
    """A device (`cpu`, `cuda:0`, ...) and the number formats that it computes in by itself, without emulation."""

    name: str
    formats: tuple[str, ...] = ("fp32",)

    @property
    def kind(self) -> str:
        """`cpu`, `cuda`, ...: what two devices of one kind compute is the same."""
        return self.name.partition(":")[0]


Order = Literal["pause", "resume", "save", "stop"]
"""What workers are to do at their next safe point."""

Say = Callable[[str], None]
"""Takes a record of what happens, as JSON. Never raises."""


class Worker(Protocol):
    """Computes tasks for an executor, which has one for every process at least. Called from one thread a device."""

    def work(self, task: str, device: str, say: Say) -> str:
        """The outcome of a task, both as JSON. A task that fails has an outcome, too: whatever is raised is a bug."""

    def order(self, order: Order) -> None:
        """May be called from any thread, while `work` runs."""


@dataclass(frozen=True)
class Setup:
    """What an executor is made for: `devices` as in tasks.toml; workers are made by the function that `worker` names
    (`module:function`) from the text `arguments`, wherever they are; their records go to `hear`."""

    devices: tuple[str, ...]
    worker: str
    arguments: str
    hear: Say


class Executor(Protocol):
    """Has workers compute tasks, at most one at a time on a device. What is in a task is not the executor's concern.

    `devices` are of one kind. All methods may be called from any thread.
    """

    devices: tuple[Device, ...]

    def submit(self, task: str) -> Future[str]:
        """The outcome of a task, computed on the next free device, in the order of submission. Records of the task that are more
        than progress have been heard when it is there."""

    def order(self, order: Order) -> None:
        """Give an order to all workers, those to come too."""

    def close(self) -> None:
        """Wait for running tasks and cancel those not yet started."""


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """A way to have jobs computed. `load` raises `UsageError` for devices that are not there."""

    name: str
    load: Callable[[Setup], Executor]
    version: int = 1
    description: str = ""


HeadAxis = Literal["output", "input"]
"""Which weights are a head's: rows of the projection (where a head's keys and values live) or columns (as published)."""
