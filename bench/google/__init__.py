"""Every Google write under faults: each is done once, undone once, and never over somebody else's change."""
