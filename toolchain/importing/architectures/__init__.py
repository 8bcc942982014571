"""Architectures that come from files; `spikeport.toolchain.nn.architectures` imports nothing of them."""
