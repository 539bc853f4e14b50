"""What the Slack side must hold: hours of simulated traffic, lost answers, and a backlog of ten thousand requests."""
