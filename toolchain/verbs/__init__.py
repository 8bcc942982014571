"""What a user can do: each verb is one function with typed settings and a typed result; `spikeport` exports them.

A function takes objects or paths. Its result has ``text()`` for people and ``to_dict()`` for programs; a verdict also
has ``passed``, which alone decides the exit code of the command, and ``reasons``. Bad input raises a `SpikeportError`.
"""
