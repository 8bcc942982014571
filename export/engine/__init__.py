"""The engine of the fast executor: synapses as its kernels take them, the choice among them, blocks of samples."""
