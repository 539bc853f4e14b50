"""The oracle benchmark: a model that knows the labels drives the whole product; only what people get is judged."""
