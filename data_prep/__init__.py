"""Crystals and how they become arrays: sources, screening, voxels, shards, splits, graphs."""
