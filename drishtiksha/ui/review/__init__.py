"""The tab Review."""
