"""Every error a caller can act on; each message says what was found, what was expected and what to do."""


def one_line(error: BaseException) -> str:
    """Return another library's message on one line, for a sentence of ours."""
    return " ".join(str(error).split())


class SpikeportError(Exception):
    """Base of all errors that spikeport raises on purpose."""


class RecipeError(SpikeportError):
    """A recipe has an unknown key, a wrong type or an impossible value."""


class TrainingError(SpikeportError):
    """Training diverged."""


class NetworkError(SpikeportError):
    """Populations and projections do not fit together."""


class StimulusError(SpikeportError):
    """The input has another shape, type or range than the network expects."""


class QuantizationError(SpikeportError):
    """A float network cannot be turned into integers that provably stay in their registers."""


class ArchiveError(SpikeportError):
    """A file is not an archive, or is damaged."""


class OutputError(SpikeportError):
    """A file or folder cannot be written: no space, no permission, something else stands there, another run writes."""


class FormatError(SpikeportError):
    """A format or target cannot express the network."""


class ExecutorError(SpikeportError):
    """There is no such executor, or it cannot run this network."""


class LavaError(SpikeportError):
    """The Lava environment is missing or does not work."""


class WorkerError(SpikeportError):
    """The worker process failed, died or hung."""


class ProfileError(SpikeportError):
    """A hardware profile is missing or wrong."""


class PlacementError(SpikeportError):
    """A network does not fit the cores of a chip."""
