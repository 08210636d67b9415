# The three services and the command line in one image; `docker run … gateway` starts one.
#
# What goes in is known beforehand: the base by digest, every package by the hashes of constraints.txt.
# To renew the base: docker buildx imagetools inspect python:3.13-slim, then tag and digest here, together.
ARG BASE=docker.io/library/python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
FROM ${BASE} AS build
WORKDIR /src
# Dependencies first: this layer is kept until they change. uv comes by its hash, too, from the same lock.
COPY pyproject.toml constraints.txt ./
RUN awk '/^[^ ]/ {keep = /^uv==/} keep' constraints.txt > uv.txt \
 && python -m pip install --no-cache-dir --root-user-action=ignore --require-hashes -r uv.txt \
 && python -m venv --without-pip /opt/hooklane \
 && uv pip install --no-cache --compile-bytecode -p /opt/hooklane/bin/python \
    --require-hashes -r pyproject.toml --extra otel -c constraints.txt
COPY . .
RUN uv build --wheel --no-cache --require-hashes --build-constraint constraints.txt -o /dist \
 && uv pip install --no-cache --compile-bytecode --no-deps -p /opt/hooklane/bin/python /dist/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="hooklane" \
      org.opencontainers.image.description="A webhook gateway that lives in Kafka" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/hooklane /opt/hooklane
# Nothing is written at run time: works with a read-only root file system.
ENV PATH=/opt/hooklane/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/hooklane
USER 10001:10001
EXPOSE 8080 9101 9102 9103
ENTRYPOINT ["hooklane"]
CMD ["--help"]
