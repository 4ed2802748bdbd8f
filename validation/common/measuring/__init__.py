"""What is needed to measure: a clock, memory, the machine, and what is measured on."""
