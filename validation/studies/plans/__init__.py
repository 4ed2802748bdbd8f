"""What a study is told."""
