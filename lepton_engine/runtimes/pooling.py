"""The mean of a text's token vectors, computed where the encoder is: in its own graph.

Nothing but (batch, hidden) numbers leaves the runtime then, instead of (batch, length, hidden).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov
    import torch

HIDDEN = "last_hidden_state"
#: An output beside those of a signature, given only when it is asked for by name: float32
#: (batch, hidden), the mean of ``last_hidden_state`` over a text's tokens, padding left out.
MEAN_VECTOR = "mean_vector"


def append_mean(model: ov.Model) -> bool:
    """Add the output to a graph read from a file; False where it has no token vectors.

    The sum stays in fp32, as all that follows the last matrix product does in OpenVINO.
    """
    import openvino as ov
    from openvino import opset15 as ops

    hidden = next((port for port in model.outputs if HIDDEN in port.get_names()), None)
    mask = next((port for port in model.inputs if "attention_mask" in port.get_names()), None)
    if hidden is None or mask is None:
        return False
    kept = ops.unsqueeze(ops.convert(mask, "f32"), ops.constant(2, ov.Type.i64))
    tokens = hidden.get_node().input_value(0)
    along = ops.constant(1, ov.Type.i64)
    total = ops.reduce_sum(ops.multiply(tokens, kept), along)
    count = ops.maximum(ops.reduce_sum(kept, along), ops.constant(1.0, ov.Type.f32))
    mean = ops.divide(total, count)
    mean.output(0).get_tensor().set_names({MEAN_VECTOR})
    model.add_results([ops.result(mean)])
    model.validate_nodes_and_infer_types()
    return True


def mean_of(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The same of torch's tensors, summed in fp32."""
    kept = mask.to(hidden.device).float().unsqueeze(2)
    return (hidden.float() * kept).sum(1) / kept.sum(1).clamp(min=1.0)
