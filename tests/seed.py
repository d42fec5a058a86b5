"""The seed of all models and trainings of the tests whose verdict no seed may change.

``ESPNET_SENTIMENT_TEST_SEED=1 pytest`` takes another. Nor may the processor change
it. Others are tried by what PyTorch's libraries read from the environment, for example

    ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OMP_NUM_THREADS=1 pytest
    MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=AVX2 pytest
"""

import os

KERNELS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR")
SEED = int(os.environ.get("ESPNET_SENTIMENT_TEST_SEED", "0"))
