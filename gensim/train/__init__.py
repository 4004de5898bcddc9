"""Pre-training, fine-tuning and distillation on any number of ranks, and their resumption."""
