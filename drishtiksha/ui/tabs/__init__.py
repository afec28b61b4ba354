"""One module a tab. A tab lays out and wires; it decides nothing."""
