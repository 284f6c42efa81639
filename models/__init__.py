"""What the three networks are, and how voxels become atoms again (no files, plots, training or argparse)."""
