"""Training loops: robust pretraining of the ANN and robust finetuning of the SNN."""
