"""Print the label of a recording: python predict.py MODEL.onnx FILE.wav."""

import json
import sys

import onnxruntime
import soundfile

if len(sys.argv) != 3:
    sys.exit(__doc__)
model = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
said = model.get_modelmeta().custom_metadata_map
samples, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
if said["input"] != "samples" or samples.shape[1] != 1:
    sys.exit("this takes one channel, and a model that reads samples")
least, most = int(said["min_samples"]), int(said.get("max_samples", 1 << 62))
if rate != int(said["sample_rate"]) or not least <= len(samples) <= most:
    sys.exit(f"give {least} to {most} samples at {said['sample_rate']} Hz")
posteriors = model.run(["posteriors"], {"samples": samples.T})[0][0]
print(json.loads(said["classes"])[posteriors.argmax()], posteriors.max())
