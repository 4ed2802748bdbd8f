"""What comparisons, paired runs and studies share."""
