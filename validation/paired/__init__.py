"""The same training with each method in turn, and what it shows."""
