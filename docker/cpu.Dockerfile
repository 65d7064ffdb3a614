# Clipwarden on the CPU. Build from the top of the tree:
#   docker build --file docker/cpu.Dockerfile --tag clipwarden:cpu .
FROM python:3.11-slim-bookworm

# An environment of its own: our packages have common names.
RUN python -m venv /opt/clipwarden
ENV PATH=/opt/clipwarden/bin:$PATH

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
# The package index's own torch is the CUDA build, gigabytes that a CPU has no use for: name an
# index that has CPU builds, and torch alone comes from there.
ARG TORCH_INDEX_URL=""
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX_URL" \
            "$(grep '^torch==' requirements/constraints.txt)"; \
    fi
COPY prompts prompts
COPY ingest ingest
COPY worker worker
COPY clipwarden clipwarden
ARG EXTRAS=starter,nsfw,openvino,postgres,s3
RUN pip install --no-cache-dir --constraint requirements/constraints.txt ".[$EXTRAS]" \
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
    XDG_DATA_HOME=/home/clipwarden/models/data
VOLUME /home/clipwarden/data
# Where `serve --host 0.0.0.0` answers.
EXPOSE 8765
ENTRYPOINT ["clipwarden"]
