"""SVG to PDF, as vectors: by CairoSVG, which the extra ``figures`` brings."""

HOW = "for PDF as well: pip install 'spikeport[figures]'"
NO_LIBRARY = "for PDF as well, install the library cairo (Debian: libcairo2), which CairoSVG draws with"


def why_not() -> str | None:
    """Return how to get PDF, where something is missing for it."""
    try:
        import cairosvg  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return HOW
    except OSError:  # the package is there, and the library that it loads is not
        return NO_LIBRARY
    return None


def pdf(svg: str) -> bytes:
    """Return a PDF of one page, as large as the picture."""
    import cairosvg  # noqa: PLC0415 - an extra

    made: bytes = cairosvg.svg2pdf(bytestring=svg.encode())
    return made
