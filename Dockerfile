# Sibyl on the CPU:
#   docker build --tag sibyl .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/data" sibyl label photos --examples examples.csv --out out
FROM python:3.12-slim
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch
COPY . /src
RUN pip install --no-cache-dir '/src[audio,encoders,onnx]' && rm -rf /src
# The container may run under any user, who then has no home: features are kept below /tmp.
ENV SIBYL_CACHE=/tmp/sibyl HF_HOME=/tmp/huggingface MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /data
ENTRYPOINT ["sibyl"]
CMD ["--help"]
