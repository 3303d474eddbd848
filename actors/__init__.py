"""The elastic worker factory: four actors, the pure decisions they take, and the adapters at its edge."""
