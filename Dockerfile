# The page, and every other command, on a CPU.
#
#   docker build -t espnet_sentiment .
#   docker run --rm -p 127.0.0.1:7860:7860 -v "$PWD/emodb.zip:/model.zip:ro" espnet_sentiment
#   docker run --rm -v "$PWD:/data" -w /data espnet_sentiment predict --model emodb.zip call.wav
#
# A pack with its encoder needs no network; nothing is downloaded unasked.
FROM python:3.12-slim

WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./
COPY conf conf
COPY espnet_sentiment espnet_sentiment
# uv takes PyTorch's own CPU build, without CUDA's 3 GB.
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend cpu -c constraints.txt '.[demo]' \
    && pip uninstall --yes uv

RUN useradd --create-home --uid 1000 sentiment
USER sentiment
WORKDIR /home/sentiment
ENV ESPNET_SENTIMENT_MODEL=/model.zip \
    ESPNET_SENTIMENT_CACHE=/home/sentiment/.cache/espnet_sentiment
EXPOSE 7860
# While the model is loaded nothing listens; from then on 503 until it has answered.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/healthz')"]
ENTRYPOINT ["espnet-sentiment"]
CMD ["demo", "--host", "0.0.0.0", "--port", "7860"]
