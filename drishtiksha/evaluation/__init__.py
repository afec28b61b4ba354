"""How well a detector does on labelled files: manifest, scores, metrics, reports."""
