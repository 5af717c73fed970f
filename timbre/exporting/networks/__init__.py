"""Exports that run the networks themselves: TorchScript for nn~, and ONNX."""
