"""Stand-ins for the services Cadre talks to: real protocols on loopback, no account needed."""
