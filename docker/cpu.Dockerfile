# Clipwarden on the CPU. Build from the top of the tree:
#   docker build --file docker/cpu.Dockerfile --tag clipwarden:cpu .
FROM python:3.11-slim-bookworm

# An environment of its own: our packages have common names.
RUN python -m venv /opt/clipwarden
ENV PATH=/opt/clipwarden/bin:$PATH

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements requirements
COPY prompts prompts
COPY ingest ingest
COPY worker worker
COPY clipwarden clipwarden
RUN pip install --no-cache-dir --constraint requirements/constraints.txt '.[starter,postgres,s3]' \
    && rm -rf /src

# A volume takes owner and mode from the folder it covers; a missing one would become root's.
RUN useradd --create-home --uid 1000 clipwarden \
    && install -d -o clipwarden -g clipwarden -m 700 /home/clipwarden/data
USER clipwarden
WORKDIR /home/clipwarden
ENV CLIPWARDEN_DATA=/home/clipwarden/data
VOLUME /home/clipwarden/data
# Where `serve --host 0.0.0.0` answers.
EXPOSE 8765
ENTRYPOINT ["clipwarden"]
