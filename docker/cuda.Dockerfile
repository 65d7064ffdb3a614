# Clipwarden on NVIDIA cards. Build from the top of the tree:
#   docker build --file docker/cuda.Dockerfile --tag clipwarden:cuda .
# torch's wheels bring CUDA; only the driver comes from the host, through NVIDIA's container
# toolkit.
FROM python:3.11-slim-bookworm

# An environment of its own: our packages have common names.
RUN python -m venv /opt/clipwarden
ENV PATH=/opt/clipwarden/bin:$PATH

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# For another CUDA release than that of the package index's own torch: an index that has it. The
# libraries that torch asks for come from there, too.
ARG TORCH_INDEX_URL=""
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX_URL" \
            "$(grep '^torch==' requirements/constraints.txt)"; \
    fi
COPY prompts prompts
COPY ingest ingest
COPY worker worker
COPY clipwarden clipwarden
ARG EXTRAS=starter,nsfw,postgres,s3
# An index that has only CPU builds would give an image that no card runs. Asked before the folder
# is gone: MKL finds no library from a working directory that is not there.
RUN pip install --no-cache-dir --constraint requirements/constraints.txt ".[$EXTRAS]" \
    && python -P -c "import torch; assert torch.version.cuda, torch.__version__" \
    && rm -rf /src

# The same number in all images, for they share volumes. A volume takes owner and mode from the
# folder it covers; a missing one would become root's.
RUN useradd --create-home --uid 10001 clipwarden \
    && install -d -o clipwarden -g clipwarden -m 700 /home/clipwarden/data \
        /home/clipwarden/blobs /home/clipwarden/models
USER 10001
WORKDIR /home/clipwarden
# Converted models and the pictures of int8 are kept with the models: the rest is read-only.
ENV CLIPWARDEN_DATA=/home/clipwarden/data \
    HF_HOME=/home/clipwarden/models \
    XDG_CACHE_HOME=/home/clipwarden/models/cache \
    XDG_DATA_HOME=/home/clipwarden/models/data \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /home/clipwarden/data
# Where `serve --host 0.0.0.0` answers.
EXPOSE 8765
ENTRYPOINT ["clipwarden"]
