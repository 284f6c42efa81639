"""Made-up crystals, runs and servers, damage and garbage: what several tests share."""
