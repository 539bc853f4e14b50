"""The oracle benchmark: a model that knows the labels drives the whole product, and only what people get is judged."""
