"""The components of a tab by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import gradio as gr

Change = dict[str, Any]
"""What `gr.update` answers: other properties of a component than its value alone."""


class Parts:
    """The components of the tab by the names of its `Update`, a TypedDict that handlers answer: output -> new value."""

    def __init__(self, names: type) -> None:
        self._names = frozenset(names.__annotations__)
        self.by_name: dict[str, Any] = {}

    def add(self, name: str, component: Any) -> Any:
        """Raises: KeyError for a name that the tab's `Update` does not have, or that is taken."""
        if name not in self._names or name in self.by_name:
            raise KeyError(f"{name} is no output of this tab, or is one already")
        self.by_name[name] = component
        return component

    def __getitem__(self, name: str) -> Any:
        return self.by_name[name]

    @property
    def missing(self) -> frozenset[str]:
        """Names without a component yet."""
        return self._names - set(self.by_name)

    @property
    def outputs(self) -> list[Any]:
        return list(self.by_name.values())

    def update(self, values: Mapping[str, object]) -> dict[Any, Any]:
        """From names to components, as gradio wants it; an empty answer must still name an output."""
        return {self.by_name[name]: value for name, value in (values or {"status": gr.skip()}).items()}

    def stream(self, updates: Iterable[Mapping[str, object]]) -> Iterator[dict[Any, Any]]:
        """The same for a stream. One that is empty would make gradio clear every output."""
        told = False
        for update in updates:
            told = True
            yield self.update(update)
        if not told:
            yield self.update({})
