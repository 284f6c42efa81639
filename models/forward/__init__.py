"""The trained networks in NumPy: whoever only predicts or generates does not start a training framework.

They compute what ``models.cgcnn``, ``models.vae`` and ``models.improved_vae`` compute in inference, from the same
weights (the tests hold both equal to 1e-5), in a tenth of the time and memory: the start of a framework takes longer
than a thousand crystals, and a network is faster if it knows that the atoms of a crystal have equal neighbours, that
a map is an enlarged one, or that a condition is the same everywhere. Everything that is read from a folder of
networks runs this way; Keras trains, and runs the UNet.
"""
