"""Who is alive, who should hold which post, and who does: terms with fences."""
