"""The Slack surface: events in as requests, journal rows out as messages. Nothing below sees a Slack object."""
