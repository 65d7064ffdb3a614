# Clipwarden on Gaudi cards. Build from the top of the tree:
#   docker build --file docker/gaudi.Dockerfile --tag clipwarden:gaudi .
# The release must be that of the driver on the host. Python must be 3.11 or newer, which is why
# this is the image on Ubuntu 24.04; the one on 22.04 has 3.10.
ARG GAUDI_RELEASE=1.24.0
ARG GAUDI_BUILD=1007
ARG TORCH_RELEASE=2.10.0
FROM vault.habana.ai/gaudi-docker/${GAUDI_RELEASE}/ubuntu24.04/habanalabs/pytorch-installer-${TORCH_RELEASE}:${GAUDI_RELEASE}-${GAUDI_BUILD}

WORKDIR /src
COPY docker/gaudi_base.py docker/gaudi_base.py
# Only what the vendor made runs on the card: torch and its bridge are seen through from the
# environment, and stay as they are. The base has no ensurepip; its own pip does.
RUN python3 -P docker/gaudi_base.py record /opt/gaudi-base.json \
    && python3 -m venv --without-pip --system-site-packages /opt/clipwarden
ENV PATH=/opt/clipwarden/bin:$PATH

COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# Neither `starter`, whose text model would bring torch by way of sentence-transformers, nor
# `gaudi`, which is for training and holds transformers back.
ARG EXTRAS=nsfw,postgres,s3
RUN python -P docker/gaudi_base.py requirements pyproject.toml "$EXTRAS" > requirements.txt \
    && python -P docker/gaudi_base.py constraints requirements/constraints.txt > constraints.txt \
    && python -m pip install --no-cache-dir --constraint constraints.txt \
        --requirement requirements.txt
COPY prompts prompts
COPY ingest ingest
COPY worker worker
COPY clipwarden clipwarden
RUN python -m pip install --no-cache-dir --no-deps . \
    && python -P docker/gaudi_base.py verify /opt/gaudi-base.json \
    && rm -rf /src

# The same number in all images, for they share volumes. A volume takes owner and mode from the
# folder it covers; a missing one would become root's.
RUN useradd --create-home --uid 10001 clipwarden \
    && install -d -o clipwarden -g clipwarden -m 700 /home/clipwarden/data \
        /home/clipwarden/blobs /home/clipwarden/models /home/clipwarden/recipes
USER 10001
WORKDIR /home/clipwarden
# Converted models and the pictures of int8 are kept with the models: the rest is read-only.
# Recipes: compiled graphs, kept for all workers on a volume: path, keep what is there, megabytes.
# The base puts root's home on Python's path and logs where only root may write.
ENV CLIPWARDEN_DATA=/home/clipwarden/data \
    HF_HOME=/home/clipwarden/models \
    XDG_CACHE_HOME=/home/clipwarden/models/cache \
    XDG_DATA_HOME=/home/clipwarden/models/data \
    HABANA_LOGS=/tmp/habana_logs \
    PT_HPU_LAZY_MODE=0 \
    PT_HPU_RECIPE_CACHE_CONFIG=/home/clipwarden/recipes,False,8192 \
    PYTHONPATH=/usr/lib/habanalabs
VOLUME /home/clipwarden/data
ENTRYPOINT ["clipwarden"]
