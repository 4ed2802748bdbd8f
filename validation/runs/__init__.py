"""Training runs by themselves: one, or any list of them side by side."""
