"""The property networks: their data, training, errors, predictions, and the ones that travel with the project."""
