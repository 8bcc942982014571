"""One report document, written as JSON, HTML and text."""
