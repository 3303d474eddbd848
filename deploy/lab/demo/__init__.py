"""The demos: the main job on one host or three, shown and judged."""
