"""One file a detector; `drishtiksha.registry` discovers every concrete `Detector` subclass defined here."""
