"""The figures of paired runs."""
