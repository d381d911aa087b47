"""The layers, one file each: initialise, forward, backward.

``forward`` works on one shard with one workspace and returns what ``backward``
needs; gradients of weights are left to ``gradient``, which sums over the shards
of a minibatch afterwards. ``k`` is a backend module (``kernels/contract.py``).
"""
