"""The components of a tab by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

Update = dict[str, Any]
"""Output name -> new value, as handlers answer it."""


@dataclass
class Parts:
    """The components of the tab by the names that the handlers use."""

    by_name: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, component: Any) -> Any:
        self.by_name[name] = component
        return component

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]

    @property
    def outputs(self) -> list[Any]:
        return list(self.by_name.values())

    def update(self, values: Update) -> dict[Any, Any]:
        """From names to components, as gradio wants it; an empty answer must still name an output."""
        return {self.by_name[name]: value for name, value in (values or {"status": gr.skip()}).items()}

    def stream(self, updates: Iterable[Update]) -> Iterator[dict[Any, Any]]:
        """The same for a stream. One that is empty would make gradio clear every output."""
        told = False
        for update in updates:
            told = True
            yield self.update(update)
        if not told:
            yield self.update({})
