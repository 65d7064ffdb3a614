"""Frame classifiers beside the encoder: networks that score what CLIP was not trained to tell."""
