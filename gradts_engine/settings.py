"""The base of whatever is set in tasks.toml."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of tasks.toml: unknown keys are errors, and nothing is converted ("3" is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
