"""Run one of ESPnet's own programs with our components registered.

python -m espnet_sentiment espnet2.bin.cls_train --config conf/train.yaml ...
"""

import runpy
import sys


def main() -> None:
    """Run the module that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        raise SystemExit(0 if len(sys.argv) > 1 else 2)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
