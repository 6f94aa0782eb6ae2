"""The Open Inference Protocol as the gateway speaks it itself: tensors on the wire, and what `/v2` has beside exchanges."""
