"""Finding faces, their landmarks and crops."""
