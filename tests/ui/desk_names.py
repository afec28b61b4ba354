"""The models of the `desk` fixture."""

BRIGHT, ABSENT = "BRIGHTNESS", "ABSENT"
