"""Where crystals come from and how they become arrays: sources, voxels, shards, splits, graphs."""
