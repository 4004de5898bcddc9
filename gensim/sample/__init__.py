"""Images from a trained model: conditions, samplers, the crops file that is written."""
