"""What memsnap says: terminal text, JSON, Markdown, and files for other tools."""
