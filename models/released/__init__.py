"""The authors' released weights in our networks."""
