# CPU:   docker build -t muslin .
# CUDA:  docker build -t muslin:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 --build-arg TORCH_INDEX= .
#        (PyPI's torch brings its own CUDA libraries; run with --gpus all -e MUSLIN_DEVICE=cuda)
# scripts/prove_dockerfile.py carries these steps out without a container engine.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS base
# The libraries that MediaPipe loads, an init that passes signals on, and Python where the base has none.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libegl1 libgl1 libgles2 libglib2.0-0 tini \
    && { command -v python3 > /dev/null || apt-get install -y --no-install-recommends python3 python3-venv; } \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
# PyTorch's CPU builds; empty: the index's own build, which on PyPI is the CUDA one.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
RUN python3 -m venv /opt/muslin
ENV PATH=/opt/muslin/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The dependencies change seldom: a layer of their own.
COPY pyproject.toml constraints.txt ./
RUN pip install -c constraints.txt --upgrade pip \
    && python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > asked.txt \
    && pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -c constraints.txt -r asked.txt
COPY . .
RUN pip install --no-deps .
RUN MUSLIN_ASSETS_DIR=/opt/muslin/assets muslin assets

FROM base
COPY --from=build /opt/muslin /opt/muslin
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin muslin \
    && install -d -o muslin -g muslin -m 700 /var/lib/muslin /var/cache/muslin
ENV PATH=/opt/muslin/bin:$PATH MUSLIN_ASSETS_DIR=/opt/muslin/assets MUSLIN_HOST=0.0.0.0 MUSLIN_PORT=8000 MUSLIN_DATA_DIR=/var/lib/muslin NUMBA_CACHE_DIR=/var/cache/muslin MUSLIN_LOG_FORMAT=json PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
USER muslin
WORKDIR /tmp
# Compiled here, so that no start takes the time; another kind of CPU compiles for itself.
RUN python3 -c "from pathlib import Path; from models.engine import Engine; Engine(Path('/opt/muslin/assets')).warm_up()"
# Garments, API keys and the secret; nothing of a shopper.
VOLUME /var/lib/muslin
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"MUSLIN_PORT\"]}/health/ready', timeout=2)"]
ENTRYPOINT ["tini", "--"]
CMD ["muslin", "serve"]
