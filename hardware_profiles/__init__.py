"""Chips as data, costs as functions: synaptic operations, placement, memory, energy, report. No torch.

The functions that other packages use, each with a frozen result that has ``to_dict()`` (JSON-ready):

- ``profile``: ``load_profile(name: str | Path) -> HardwareProfile``, ``profile_names() -> list[str]``
- ``counting``: ``count(network, stimulus) -> OperationCounts``
- ``placement``: ``place(network, profile, strategy=None, *, weight_bits=None) -> Placement``
- ``load``: ``core_load(network, stimulus, placement) -> CoreLoad``
- ``latency``: ``latency(placement, load) -> ImageTime``
- ``energy``: ``energy(counts, profile, *, placement=None, load=None) -> EnergyPerImage``
- ``what_if``: ``what_if(network, stimulus, variations, labels=None) -> tuple[WhatIfRow, ...]``, ``render(rows)``;
  ``Variations(profiles=("loihi1", "loihi2"), steps=(), sparsities=(), encodings=())``
- ``report.build``: ``report(network, stimulus, profiles=("loihi1", "loihi2"), *, relative_to=None,
  weight_bits=None) -> Report``; a profile is a name, a path of a .toml file, or a `HardwareProfile`
- ``report.result``: ``Report`` with ``passed: bool``, ``reasons: tuple[str, ...]``, ``to_dict()``, ``from_dict(dict)``,
  ``with_run(*, accuracy, attack, fidelity, sparsity, attacks=()) -> Report``, ``text() -> str``; ``tables()``,
  ``figures()``
- ``output``: ``write_tables(result, csv=, latex=)``, ``write_figures(result, folder)``, for results with these methods
- ``report.write``: ``write(report, folder)`` writes report.json and report.html
"""
