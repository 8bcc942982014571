"""Chips as data, costs as functions: synaptic operations, placement, memory, energy, report. No torch."""
