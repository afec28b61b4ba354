# The page and the REST API on one port. CPU: docker build -t drishtiksha .
# With CUDA: docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 -t drishtiksha:cuda . (run it with --gpus all)
FROM python:3.12-slim-bookworm
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DRISHTIKSHA_DATA_DIR=/data/cases \
    DRISHTIKSHA_MODELS_DIR=/data/models \
    GRADIO_TEMP_DIR=/data/uploads

RUN groupadd --gid 1000 desk \
    && useradd --uid 1000 --gid desk --create-home desk \
    && install --directory --owner desk --group desk /data

WORKDIR /srv/drishtiksha
COPY requirements.txt constraints.txt ./
RUN pip install --extra-index-url "${TORCH_INDEX}" --constraint constraints.txt --requirement requirements.txt "psycopg[binary]>=3.2,<4"
COPY --chown=root:root . .

USER desk
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "drishtiksha"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7860"]
