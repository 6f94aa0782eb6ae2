"""The facts that rules can read: their table, and how those are had that need no counter."""
