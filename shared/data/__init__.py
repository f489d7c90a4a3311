"""From people's files to images, labels and splits."""
