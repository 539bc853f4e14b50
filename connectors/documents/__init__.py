"""Tables out of documents, understood by their header words and the shape of their values."""
