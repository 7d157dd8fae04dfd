"""One ONNX graph of the five fold models, their calibration in it, and its contract beside it.

    python export.py --run RUN --contract contract.yaml --tensors TENSORS --out ../models/lymph4d

Inputs  image [N, 1, T, D, H, W], clinical [N, variables]; outputs, each [N, 2] of pN+ and cN+:
probability (calibrated), raw (before calibration), spread (standard deviation over the five models).
What PyTorch answers for a few exams lies beside the graph, so that `sentinode verify` compares the two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
import yaml
from data import OUTCOMES
from networks import Net4D
from onnx import TensorProto, helper, numpy_helper

NOTICE = "NOT FOR CLINICAL USE; trained on simulated exams"
EPSILON = 1e-5


class Graph:
    """Nodes and initializers as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def add(self, op: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name


def branch(graph: Graph, k: int, state: dict[str, torch.Tensor], size: int) -> str:
    """One fold model, from the image to its two logits [N, 2]."""

    def weight(key: str) -> str:
        return graph.constant(f"fold{k}.{key}", state[key].float().numpy())

    def norm_relu(x: str, layer: int) -> str:
        parameters = [weight(f"norm{layer}.norm.{p}") for p in ("weight", "bias", "running_mean", "running_var")]
        y = graph.add("BatchNormalization", [x, *parameters], f"fold{k}.norm{layer}", epsilon=EPSILON)
        return graph.add("Relu", [y], f"fold{k}.relu{layer}")

    def conv(x: str, layer: int, stride: int) -> str:
        # Padded in space and not in time: [begin of T, D, H, W, end of T, D, H, W].
        pads = [0, 1, 1, 1, 0, 1, 1, 1]
        strides = [1, stride, stride, stride]
        inputs = [x, weight(f"conv{layer}.weight")]
        return graph.add("Conv", inputs, f"fold{k}.conv{layer}", pads=pads, strides=strides)

    y = norm_relu(conv("image", 1, 2), 1)
    y = norm_relu(conv(y, 2, 1), 2)
    side = size // 2
    means = []
    for part in (1, 2, 4):
        box = y
        if part > 1:
            begin = (side - side // part) // 2
            if k == 0:
                graph.constant(f"box{part}.begin", np.full(3, begin, np.int64))
                graph.constant(f"box{part}.end", np.full(3, begin + side // part, np.int64))
            box = graph.add(
                "Slice", [y, f"box{part}.begin", f"box{part}.end", "space"], f"fold{k}.box{part}"
            )
        mean = graph.add("GlobalAveragePool", [box], f"fold{k}.mean{part}")
        means.append(graph.add("Flatten", [mean], f"fold{k}.features{part}"))
    features = graph.add("Concat", [*means, "clinical"], f"fold{k}.fused", axis=1)
    head = [graph.constant(f"fold{k}.head.{name}", value) for name, value in head_of(state).items()]
    return graph.add("Gemm", [features, *head], f"fold{k}.logits", transB=1)


def head_of(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The last layer, with the scaling of the pooled features before it folded in."""
    weight, bias = state["head.fc.weight"].double(), state["head.fc.bias"].double()
    mean, variance = state["head.norm.running_mean"].double(), state["head.norm.running_var"].double()
    scaled = weight.clone()
    scaled[:, : len(mean)] /= torch.sqrt(variance + EPSILON)
    shifted = bias - scaled[:, : len(mean)] @ mean
    return {"weight": scaled.float().numpy(), "bias": shifted.float().numpy()}


def ensemble(folds: list[dict[str, torch.Tensor]], calibration: dict[str, dict[str, float]], shape: list[int]) -> onnx.ModelProto:
    """@param shape [T, D, H, W] of the crop"""
    graph = Graph()
    graph.constant("space", np.array([3, 4, 5], np.int64))
    graph.constant("slope", np.array([calibration[key]["a"] for key in OUTCOMES], np.float32))
    graph.constant("offset", np.array([calibration[key]["b"] for key in OUTCOMES], np.float32))

    def calibrated(logits: str, name: str) -> str:
        scaled = graph.add("Mul", [logits, "slope"], f"{name}.scaled")
        return graph.add("Sigmoid", [graph.add("Add", [scaled, "offset"], f"{name}.shifted")], name)

    members = [branch(graph, k, state, shape[1]) for k, state in enumerate(folds)]
    logit = graph.add("Mean", members, "logit")
    graph.add("Sigmoid", [logit], "raw")
    calibrated(logit, "probability")
    probabilities = [calibrated(member, f"fold{k}.probability") for k, member in enumerate(members)]
    middle = graph.add("Mean", probabilities, "middle")
    squares = []
    for k, probability in enumerate(probabilities):
        apart = graph.add("Sub", [probability, middle], f"fold{k}.apart")
        squares.append(graph.add("Mul", [apart, apart], f"fold{k}.square"))
    graph.add("Sqrt", [graph.add("Mean", squares, "variance")], "spread")
    clinical = folds[0]["head.fc.weight"].shape[1] - 3 * folds[0]["conv2.weight"].shape[0]

    def value(name: str, dims: list[object]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "lymph4d",
            [value("image", ["N", 1, *shape]), value("clinical", ["N", clinical])],
            [value(name, ["N", 2]) for name in ("probability", "raw", "spread")],
            graph.initializers,
            doc_string=NOTICE,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
        producer_name="sentinode training",
        doc_string=NOTICE,
    )
    helper.set_model_props(model, {"notice": NOTICE})
    onnx.checker.check_model(model, full_check=True)
    return model


def pytorch_answers(
    folds: list[dict[str, torch.Tensor]], calibration: dict[str, dict[str, float]], image: np.ndarray, clinical: np.ndarray
) -> dict[str, np.ndarray]:
    """What the graph has to answer, by the networks as they were trained."""
    members = []
    for state in folds:
        network = Net4D(clinical.shape[1])
        network.load_state_dict(state)
        with torch.no_grad():
            members.append(network.eval()(torch.from_numpy(image), torch.from_numpy(clinical)).double())
    logits = torch.stack(members)
    a, b = (torch.tensor([calibration[key][part] for key in OUTCOMES]) for part in ("a", "b"))
    answers = {
        "probability": torch.sigmoid(a * logits.mean(0) + b),
        "raw": torch.sigmoid(logits.mean(0)),
        "spread": torch.sigmoid(a * logits + b).std(0, correction=0),
    }
    return {name: value.float().numpy() for name, value in answers.items()}


def write_case(folder: Path, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    """A test data set as ONNX's own node tests have it."""
    folder.mkdir(exist_ok=True)
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, (name, array) in enumerate(arrays.items()):
            onnx.save_tensor(numpy_helper.from_array(array, name), folder / f"{kind}_{i}.pb")


def tree_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of what training consists of, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".py", ".txt", ".yaml")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def contract_with_results(contract: dict, network: dict) -> dict:
    """The contract that tensors were made by, with what training found: operating points and provenance."""
    for finding, key in zip(contract["findings"], OUTCOMES, strict=True):
        figures, thresholds = network["figures"][key], network["calibration"][key]
        finding["operating_points"] = [
            {
                "name": point,
                "threshold": round(thresholds[point], 4),
                **{
                    name: [round(v, 3) for v in value] if isinstance(value, list) else round(value, 3)
                    for name, value in figures["points"][point].items()
                    if not name.startswith("accuracy")
                },
            }
            for point in ("rule_out", "balanced")
        ]
    contract["provenance"]["training_sha256"] = tree_hash(Path(__file__).parent)
    return contract


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--contract", type=Path, required=True)
    parser.add_argument("--tensors", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    network = json.loads((options.run / "report.json").read_text())["4D hybrid"]
    folds = torch.load(options.run / "folds.pt")["4D hybrid"]
    contract = yaml.safe_load(options.contract.read_text())
    image = contract["image"]
    shape = [len(image["phases"]["times_s"]), *image["grid"]["size"]]
    version = options.out / "1"
    version.mkdir(parents=True, exist_ok=True)
    states = [fold["state"] for fold in folds]
    onnx.save(ensemble(states, network["calibration"], shape), version / "model.onnx")
    inputs = {name: np.load(options.tensors / f"{name}.npy", mmap_mode="r")[:3].copy() for name in ("image", "clinical")}
    write_case(version / "test_data_set_0", inputs, pytorch_answers(states, network["calibration"], **inputs))
    text = yaml.safe_dump(contract_with_results(contract, network), sort_keys=False, width=110)
    (version / "screening.yaml").write_text(text)


if __name__ == "__main__":
    main()
