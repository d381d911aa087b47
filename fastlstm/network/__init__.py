"""The network: its shape, weights, layers, forward and backward pass, and prediction."""
