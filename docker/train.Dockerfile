# All commands of kseg: training, evaluation, export. On the CPU, or on NVIDIA GPUs with
# EXTRAS=cuda.
#
#   docker build -t kseg -f docker/train.Dockerfile [--build-arg EXTRAS=cuda,onnx] .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" [--gpus all] \
#     kseg train --data street --epochs 40
#
# The folder that is mounted at /work holds the data and gets saved_models/; downloaded
# weights are kept in its .keras/.
FROM python:3.12-slim-bookworm AS build

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY edge edge
COPY kseg kseg
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm

# What the wheel of opencv-python expects of the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

ARG EXTRAS=
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir "$(ls /wheels/kseg-*.whl)${EXTRAS:+[$EXTRAS]}"

RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin kseg \
    && install --directory --owner kseg --group kseg /work

# Whichever user runs it may write to these.
ENV PYTHONUNBUFFERED=1 HOME=/tmp KERAS_HOME=/work/.keras KSEG_CACHE=/tmp/kseg
WORKDIR /work
USER 10001
ENTRYPOINT ["kseg"]
CMD ["--help"]
