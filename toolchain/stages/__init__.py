"""The stages of a run: training, deployment, and what they leave in its folder."""
