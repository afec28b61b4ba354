"""What is computed from pictures and sound before any detector's network sees it."""
