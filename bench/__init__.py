"""Measure each room beside the barest loop that does the same, in the same run."""
