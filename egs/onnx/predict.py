"""Print the label of a recording: python predict.py MODEL.onnx FILE.wav."""

import json
import sys

import onnxruntime
import soundfile

model = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
said = model.get_modelmeta().custom_metadata_map
samples, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
if said["input"] != "samples" or samples.shape[1] != 1:
    sys.exit("this takes one channel, and a model that reads samples")
if rate != int(said["sample_rate"]) or len(samples) < int(said["min_samples"]):
    sys.exit(
        f"this takes {said['min_samples']} samples or more, at {said['sample_rate']} Hz"
    )
posteriors = model.run(["posteriors"], {"samples": samples.T})[0][0]
print(json.loads(said["classes"])[posteriors.argmax()], posteriors.max())
