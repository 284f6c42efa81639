"""Judging crystals, whichever model they come from: structure by structure, and all together."""
