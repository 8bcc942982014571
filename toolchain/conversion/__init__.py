"""Conversion of ANNs to SNNs by threshold balancing, in bounded memory."""
