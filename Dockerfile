# Two images: `docker build --target core -t tunewise .` advises and launches at providers, `--target local` trains too.
#   docker run --rm -it -v tunewise:/state -v "$PWD:/work" --env-file keys.env tunewise plan train.jsonl
FROM python:3.12-slim AS build
COPY . /src
RUN python -m pip wheel --no-deps --wheel-dir /wheels /src

FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/tunewise/bin:$PATH \
    TUNEWISE_HOME=/state/tunewise HF_HOME=/state/huggingface
# Writable for whoever `--user` names; the files of a run stay closed to others all the same.
RUN useradd --create-home --uid 1000 tunewise && mkdir --mode=1777 /state /work
RUN python -m venv /opt/tunewise
COPY --from=build /wheels /wheels
WORKDIR /work
VOLUME /state
ENTRYPOINT ["tunewise"]
CMD ["--help"]

FROM base AS core
RUN for wheel in /wheels/*.whl; do /opt/tunewise/bin/pip install "$wheel[formats,hosted,notify]"; done
USER tunewise

FROM base AS local
RUN for wheel in /wheels/*.whl; do /opt/tunewise/bin/pip install "$wheel[formats,hosted,local,notify]"; done
USER tunewise
