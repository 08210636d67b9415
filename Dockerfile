# The three services and the command line in one image; `docker run … gateway` starts one.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m pip install --no-cache-dir --root-user-action=ignore "uv>=0.8,<1" \
 && python -m venv --without-pip /opt/hooklane
# Dependencies first: this layer is kept until they change.
COPY pyproject.toml constraints.txt ./
RUN uv pip install --no-cache --compile-bytecode -p /opt/hooklane/bin/python \
    -r pyproject.toml --extra otel -c constraints.txt
COPY . .
RUN uv build --wheel --no-cache -o /dist \
 && uv pip install --no-cache --compile-bytecode --no-deps -p /opt/hooklane/bin/python /dist/*.whl

FROM python:${PYTHON}-slim
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
