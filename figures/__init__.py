"""The figures, one script for each: `python -m figures`."""
