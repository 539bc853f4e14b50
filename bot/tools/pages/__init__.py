"""Pages that people receive: data from agents and scripts, HTML from here alone."""
