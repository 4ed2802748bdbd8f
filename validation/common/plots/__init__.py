"""How every figure looks."""
