"""The offline model: Anthropic's Messages API on loopback, answered from playbooks and by no language model."""

from .server import MODEL_ID, build

__all__ = ["MODEL_ID", "build"]
