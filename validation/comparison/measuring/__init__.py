"""One backend on one problem, measured in a process of its own."""
