"""Pictures of the evidence for a person to examine: filters over one frame, and where scenes begin. None gives a verdict."""
