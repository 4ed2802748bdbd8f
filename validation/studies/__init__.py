"""The study of quantizers: what is run, how it is run, and what is made of it."""
