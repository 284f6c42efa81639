"""Starts Keras and its backend without their start-up messages."""

import os
import sys
import tempfile


def start_backend() -> None:
    """Import Keras, holding back what TensorFlow writes to standard error before its logging is set up.

    TensorFlow prints a dozen lines about drivers that no option silences; they are shown only when
    the import fails.
    """
    if "keras" in sys.modules:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            import keras  # noqa: F401
        except ImportError:
            held_back.seek(0)
            os.write(kept, held_back.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
