"""Evidence and its decoding: the only place where media files are opened."""
