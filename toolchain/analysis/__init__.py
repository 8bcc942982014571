"""Is an evaluation of robustness sound: checks for masked gradients, sweeps, their picture."""
