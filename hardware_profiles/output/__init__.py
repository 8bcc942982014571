"""Tables and figures as files for a paper: CSV, LaTeX, SVG and PDF, the same for every verb."""
