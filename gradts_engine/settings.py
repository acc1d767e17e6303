"""The base of whatever is set in tasks.toml."""

from typing import Any

from pydantic import BaseModel, ConfigDict

LATER: dict[str, Any] = {"later": True}
"""`Field(json_schema_extra=LATER)` marks a setting that earlier versions did not have: what is computed with its default is what
they computed, under the same key."""


class Section(BaseModel):
    """A table of tasks.toml: unknown keys are errors, and nothing is converted ("3" is no number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def content(self) -> dict[str, Any]:
        """The settings as JSON, for keys: without those of `LATER` that have their default."""
        unchanged = {
            name
            for name, field in type(self).model_fields.items()
            if field.json_schema_extra == LATER and getattr(self, name) == field.default
        }
        return self.model_dump(mode="json", exclude=unchanged)
