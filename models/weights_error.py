"""The exception of a weight file that does not fit."""


class WeightsError(ValueError):
    """A weight file is missing, damaged or of another network: one sentence that names the file."""
