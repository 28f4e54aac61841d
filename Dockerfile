# The camera loop, seen in a browser: edge/ with its requirements, without TensorFlow.
#
#   docker build -t kseg-live .
#   docker run --rm -p 127.0.0.1:8080:8080 --device /dev/video0 --group-add video \
#     -v "$PWD/int8.tflite:/models/model.tflite:ro" kseg-live
#
# It prints an address with a token. Open that with 127.0.0.1 as its host. Arguments after
# the name of the image replace those of CMD, such as
#   kseg-live /models/model.tflite --source rtsp://... --steady 5
FROM python:3.12-slim-bookworm

RUN useradd --uid 10001 --user-group --groups video --no-create-home \
      --shell /usr/sbin/nologin kseg \
    && install --directory --owner kseg --group kseg /cache

# With Tornado, for --serve, Lark, for rules of events, and Paho, for --mqtt.
COPY edge/requirements.txt /tmp/requirements.txt
RUN sed -E -e 's/^# (tornado|lark|paho)/\1/' -i /tmp/requirements.txt \
    && python -m pip install --no-cache-dir -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

WORKDIR /app
COPY edge edge

ENV PYTHONUNBUFFERED=1 KSEG_CACHE=/cache
USER 10001
EXPOSE 8080
ENTRYPOINT ["python", "edge/camera_demo.py", "--headless", "--serve", "0.0.0.0:8080"]
CMD ["/models/model.tflite", "--source", "0"]
