"""mcu_nas: searches neural networks that fit a microcontroller, and takes them to measured latency."""

__version__ = "0.1.0"
