"""Results to pictures and words. Knows no detector and no torch; reads only `drishtiksha.results`."""
