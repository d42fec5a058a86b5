"""Print the label of a recording: python predict.py MODEL.onnx FILE.wav."""

import json
import os
import sys

import onnxruntime
import soundfile

if len(sys.argv) != 3:
    sys.exit(__doc__)
for path in sys.argv[1:]:
    if not os.path.isfile(path):
        sys.exit(f"{path}: there is no such file")
try:
    path = sys.argv[1]
    model = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    said = model.get_modelmeta().custom_metadata_map
    classes, wanted = json.loads(said["classes"]), int(said["sample_rate"])
    least, most = int(said["min_samples"]), int(said.get("max_samples", 1 << 62))
except Exception as error:  # onnxruntime's errors have no base of their own
    sys.exit(f"{path}: no model that espnet-sentiment export wrote ({error!r})")
try:
    samples, rate = soundfile.read(sys.argv[2], dtype="float32", always_2d=True)
except soundfile.LibsndfileError as error:
    sys.exit(f"{sys.argv[2]}: no recording that libsndfile reads ({error})")
if said["input"] != "samples" or samples.shape[1] != 1:
    sys.exit("this takes one channel, and a model that reads samples")
if rate != wanted or not least <= len(samples) <= most:
    sys.exit(f"give {least} to {most} samples at {wanted} Hz")
posteriors = model.run(["posteriors"], {"samples": samples.T})[0][0]
print(classes[posteriors.argmax()], posteriors.max())
