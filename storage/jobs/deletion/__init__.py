"""Jobs that go: by a decision of a person, or because they ended long ago."""
