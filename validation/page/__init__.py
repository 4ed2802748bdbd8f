"""The report of paired runs and a comparison."""
