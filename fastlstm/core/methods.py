"""Methods of explanation: what parameters call them, and what readers see.

Here, because the command names them before it loads anything that explains.
"""

from __future__ import annotations

METHOD_NAMES = {
    "integrated_gradients": "integrated gradients",
    "lrp": "layer-wise relevance propagation",
    "gradient_x_input": "gradient times input",
    "occlusion": "occlusion",
}
METHODS = tuple(METHOD_NAMES)
