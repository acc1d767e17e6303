"""From a folder of data files to a tasks.toml: what is there, what it probably is, and the file that says so."""

from gradts_engine.wizard.looking import Guess, look
from gradts_engine.wizard.writing import BUDGETS, Answers, write

__all__ = ["BUDGETS", "Answers", "Guess", "look", "write"]
