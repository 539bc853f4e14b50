"""Ways to the systems where knowledge lives: no Slack surface, no bot, no model in here."""
