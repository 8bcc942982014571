"""The trainer: one loop for every network, objective and device."""
