"""What each operator of a Graph must satisfy: shapes that agree, and TFLite's int8 quantization rules."""
