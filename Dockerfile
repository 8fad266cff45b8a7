# cellcutter with all it needs, for `docker run`, Nextflow, and Singularity or Apptainer.
# No entry point, since Nextflow hands the container a shell command.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv
RUN python3 -m venv /opt/cellcutter
COPY docker/requirements.txt /build/
RUN /opt/cellcutter/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /build/requirements.txt
COPY pyproject.toml README.md LICENSE /build/
COPY cellcutter /build/cellcutter
RUN /opt/cellcutter/bin/pip install --no-cache-dir --no-deps /build \
    && /opt/cellcutter/bin/pip check \
    && /opt/cellcutter/bin/pip uninstall -y setuptools pip \
    && find /opt/cellcutter -type d -name tests -prune -exec rm -r {} +

FROM ${BASE_IMAGE}
ARG VERSION=1.0.0.dev0
LABEL org.opencontainers.image.title="cellcutter" \
      org.opencontainers.image.description="Cut a thumbnail of every cell out of a multiplexed tissue image into one Zarr array" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.source="https://github.com/labsyspharm/cellcutter" \
      org.opencontainers.image.licenses="MIT"
# ps (procps) is for Nextflow's trace and report.
RUN apt-get update \
    && apt-get install -y --no-install-recommends procps python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log
COPY --from=build /opt/cellcutter /opt/cellcutter
ENV PATH=/opt/cellcutter/bin:$PATH LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
CMD ["cellcutter", "--help"]
