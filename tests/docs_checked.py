"""Blocks of code that no test runs, and why; docs_commands.py checks what they name.

By the page and how the block begins.
"""

CHECKED = {
    (
        "README.md",
        "./egs/mini/run.sh",
    ): "test_egs_mini.py runs the recipe, and the second command is the tests",
    (
        "README.md",
        "espnet-sentiment train corpus/",
    ): "docs/tutorials/own_corpus.md does this on a corpus of its own",
    (
        "docs/building.md",
        "./local/env.sh docs",
    ): "it installs; test_docs_site.py builds the site",
    (
        "docs/guide/espnet.md",
        "python -m espnet_sentiment espnet2.bin.cls_train",
    ): "the reader's own options are left out; docs/tutorials/espnet_cls1.md trains so",
    (
        "docs/guide/installation.md",
        "python3.12 -m venv env",
    ): "it downloads PyTorch; test_installation.py installs the wheel",
    (
        "docs/guide/pretraining.md",
        "(cd egs/librispeech",
    ): "hours, GPUs and corpora; test_recipe_asr.py runs the stages on AN4",
    (
        "docs/guide/recipes.md",
        "./egs/mini/run.sh",
    ): "test_egs_mini.py runs the recipe, and the second command is the tests",
    (
        "docs/guide/recipes.md",
        "cd egs/emodb",
    ): "it takes an hour on EmoDB; test_recipe_emodb.py runs the recipe on a part",
    (
        "docs/guide/recipes.md",
        "./run.sh --stage 4",
    ): "hours on EmoDB; test_recipe.py runs the stages with such options on AN4",
    (
        "docs/guide/speakers.md",
        './run.sh --sentiment "conf/sentiment/rnn_attention.yaml',
    ): "an hour on EmoDB; the code below runs on such an experiment",
    (
        "docs/guide/speed.md",
        "for rank in 0 1",
    ): "the reader's own train.yaml; test_shared_gradients.py trains in two processes",
    (
        "docs/guide/use.md",
        "espnet-sentiment demo",
    ): "a server without an end, and Dask's workers: test_demo_api.py, test_cluster.py",
    (
        "docs/guide/use.md",
        "from gradio_client",
    ): "it asks a page that is served: test_demo_api.py does so",
    (
        "docs/guide/votes.md",
        "cd egs/swbd_sentiment",
    ): "licensed corpora; test_votes_stages.py trains on votes",
    (
        "docs/guide/your_data.md",
        "espnet-sentiment train corpus/",
    ): "minutes of training; docs/tutorials/own_corpus.md does this",
    (
        "docs/howto/call_page.md",
        "cd egs/emodb",
    ): "a picture of EmoDB's recordings, by a browser",
    (
        "docs/howto/turning_points.md",
        "python benchmarks/turning_points.py\n",
    ): "many minutes of simulation; test_course.py tests what it simulates",
    (
        "docs/howto/turning_points.md",
        "python benchmarks/turning_points.py --experiment",
    ): "many minutes of simulation, on EmoDB's results",
    (
        "docs/howto/cluster.md",
        "espnet-sentiment predict -m model.zip --cluster",
    ): "docs/tutorials/cluster.md answers by Dask's workers",
    (
        "docs/howto/conversations.md",
        "espnet-sentiment predict --cluster",
    ): "Dask's workers: test_cluster.py starts them",
    (
        "docs/howto/conversations.md",
        "python benchmarks/calls.py",
    ): "a quarter of an hour, on EmoDB and nEMO",
    (
        "docs/howto/evidence.md",
        "cd egs/emodb",
    ): "docs/guide/reports.md runs both commands",
    (
        "docs/howto/streaming.md",
        "export ESPNET_SENTIMENT_MODEL",
    ): "it asks for a microphone; test_cli_stream.py pipes sound",
    (
        "docs/howto/streaming.md",
        "arecord -q -t raw",
    ): "it asks for a microphone and ffmpeg; test_cli_stream.py pipes sound",
    (
        "docs/howto/streaming.md",
        "OMP_NUM_THREADS=1 python benchmarks/stream.py",
    ): "minutes of streaming, on EmoDB",
}
