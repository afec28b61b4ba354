"""Where a score came from: functions that take a score function and give a heatmap."""
