"""Files for people out of text and tables: Word files, PDF, workbooks and plots."""
