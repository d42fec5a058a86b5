"""What programs import late is the thing itself, once it is asked for.

Should one fail behind an update: ``python -X importtime`` tells what imports what, and
``core/lazy_imports.py`` and ``core/late_dynamo.py`` name what they keep away.
"""

import pkgutil
import subprocess
import sys

from espnet_sentiment import bin as programs

BEGIN = """
import sys
from espnet_sentiment.core.entry import prepare_imports
prepare_imports()
"""
DECORATED = """
import torch

@torch.compiler.disable
def mode(x):
    return x + torch.compiler.is_compiling()

@torch.compiler.disable(recursive=False)
def named():
    "Its words."

@torch._dynamo.allow_in_graph
def marked(x):
    return 2 * x

@torch._dynamo.assume_constant_result
def constant():
    return 3

class Module(torch.nn.Module):
    @torch.compiler.disable
    def forward(self, x):
        return x + torch.compiler.is_compiling()

zero = torch.zeros(1)
optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])
optimizer.zero_grad()
print(mode(zero).item(), marked(zero).item(), constant(), Module()(zero).item())
print(named.__name__, named.__doc__, "torch._dynamo" in sys.modules)
"""
IMPORTED = """
@torch.compile(backend="eager")
def compiled(x):
    return mode(x), Module()(x), torch.compiler.is_compiling()

print(*(float(x) for x in compiled(zero)))
from torch._dynamo import trace_rules
print(torch._dynamo is sys.modules["torch._dynamo"], constant._dynamo_marked_constant)
print(trace_rules.lookup_callable(marked).__name__, torch._dynamo.config.verbose)
"""
OTHERS = """
import transformers.modeling_utils
from transformers.loss import loss_for_object_detection, loss_rt_detr
from transformers.masking_utils import TransformGetItemToIndex
print([m for m in ("scipy.optimize", "torch._dynamo", "sympy") if m in sys.modules])
for losses in (loss_for_object_detection, loss_rt_detr):
    print(losses.linear_sum_assignment([[3, 1], [1, 3]])[1].tolist())
with TransformGetItemToIndex():
    pass
import scipy.optimize
import torch._dynamo._trace_wrapped_higher_order_op as module
print(callable(scipy.optimize.minimize), module.__name__ in sys.modules)
"""
NAMES = """
import transformers.models
print(sorted(transformers.__all__))
print(sorted(transformers.models.__all__))
print(sorted(transformers.models.whisper.__all__))
"""


HELP = """
import contextlib, importlib, io, sys
for name in sys.argv[1:]:
    main = importlib.import_module(name).main
    said = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
        main(["--help"])
    print(name, "usage" in said.getvalue())
heavy = "torch transformers espnet2 pandas pyarrow scipy sklearn matplotlib dask"
print({*heavy.split()} & {*sys.modules})
"""


def python(code, *argv):
    """Run code in a process of its own; return the lines that it prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_functions_are_decorated_once_the_compiler_is_imported():
    assert python(BEGIN + DECORATED + IMPORTED) == [
        "0.0 0.0 3 0.0",
        "named Its words. False",
        "0.0 0.0 1.0",  # compiled, but for what is disabled
        "True True",
        "TorchInGraphFunctionVariable False",
    ]


def test_compiler_is_imported_by_any_other_name_of_it():
    code = "import torch\nprint(torch._dynamo.config.verbose)\n"
    code += "print(torch._dynamo is sys.modules['torch._dynamo'])"
    assert python(BEGIN + code) == ["False", "True"]


def test_compiler_is_imported_whole_beside_what_waits_for_it():
    code = "from espnet_sentiment.core import lazy_imports\n"
    code += "with lazy_imports._without_dynamo(): import torch._dynamo as it\n"
    code += "print(it.__name__, it.is_compiling(), lazy_imports.VMAP in sys.modules)"
    assert python(BEGIN + code) == ["torch._dynamo False True"]


def test_what_has_imported_the_compiler_before_decorates_at_once():
    code = "import sys, torch._dynamo\n"
    code += BEGIN + "print(torch.compiler.disable.__module__)\n" + DECORATED
    assert python(code) == ["torch.compiler", "0.0 0.0 3 0.0", "named Its words. True"]


def test_what_transformers_got_later_is_what_it_wanted():
    assert python(BEGIN + OTHERS) == ["[]", "[1, 0]", "[1, 0]", "True True"]


def test_transformers_offers_the_same_names():
    assert python(BEGIN + NAMES) == python(NAMES)


def test_programs_help_without_what_they_compute_with():
    names = [
        f"{programs.__name__}.{module.name}"
        for module in pkgutil.iter_modules(programs.__path__)
    ]
    assert len(names) > 10
    assert python(HELP, *names) == [*(f"{name} True" for name in names), "set()"]
