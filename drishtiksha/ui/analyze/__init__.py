"""The tab Analyze."""
