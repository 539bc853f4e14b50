"""The official conformance suite and real servers, driven through the production host."""
