"""Adversarial attacks within an l-infinity epsilon ball around pixels in [0, 1]."""
