"""`make test-panda`: the source of demand against a real panda-server, whose answers the suite keeps as files."""
