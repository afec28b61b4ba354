"""Many files at once: which they are, and where their results are kept line by line."""
