"""The main flow: intake, plan, team, verify, reply."""
