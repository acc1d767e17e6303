"""What can go wrong, by who has to act.

Every `GradTSError` prints as one line (or one line a problem) without a traceback and ends the program with its
`exit_code`; any other exception is a bug and keeps its traceback.
"""

from collections.abc import Sequence


class GradTSError(Exception):
    """Something that a user can understand and act on."""

    exit_code = 1


class UsageError(GradTSError):
    """Wrong configuration, arguments or data: the user has to change something before anything can run."""

    exit_code = 2


class ProblemsError(UsageError):
    """Several problems found in one look, each a line of its own."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadRowsError(ProblemsError):
    """Data that are there, with rows that do not fit their task."""


class PluginError(UsageError):
    """A plugin could not be imported, or answered a hook with something that is not a specification."""


class RunError(GradTSError):
    """A run could not go on."""


class ResultGone(RunError):
    """A result that was found was removed, or its files were freed, before the job that needs it could read it."""


class WorkerLost(RunError):
    """A worker was gone before its task was done: another one can begin it again."""


class TrainingDiverged(RunError):
    """A loss or a gradient was not finite; the training is stopped and never enters a ranking."""


class WaitingForConfirmation(GradTSError):
    """The proposals are made and a person has to confirm them."""

    exit_code = 3


class Interrupted(GradTSError):
    """The run was asked to stop and did so at a safe point."""

    exit_code = 130


class Terminated(Interrupted):
    """The run was asked to stop by SIGTERM."""

    exit_code = 143


class Cancelled(Interrupted):
    """The run was ended by the command `cancel`."""

    exit_code = 4
